//! From a target to a running link: the one place in the hub that knows which
//! kind of target takes which way.

use crate::carrier::Choice;
use crate::carrier::process::LocalProcess;
use crate::cluster::others::Others;
use crate::cluster::pick::Place;
use crate::cluster::pod::PodExec;
use crate::cluster::workload::{Kind, Workload};
use crate::link::Link;
use crate::runtime::Workspace;
use crate::target::Target;

/// A way to a target.
pub struct Reach {
    /// To where the app is.
    pub link: Link,
    /// The other places of the same app, if syncs are to go there, too.
    pub others: Option<Others>,
}

/// Reaches `target` for `workspace`.
///
/// # Errors
/// A full sentence: why it cannot even be tried.
pub fn start(target: &Target, workspace: &Workspace) -> Result<Reach, String> {
    let choice = Choice::from_env().map_err(|error| crate::chain(&error))?;
    let (started, others) = match target {
        Target::Local(root) => {
            let local = LocalProcess::new(workspace.agent_dir(), root.clone())
                .map_err(|error| crate::chain(&error))?;
            (Link::start(local.udp(choice.local_udp())), None)
        }
        Target::Workload(workload) => {
            let id = workspace.remote_id().map_err(|error| crate::chain(&error))?;
            let pod = PodExec::new(workload.clone(), id, choice);
            let others = workload.all.then(|| pod.others());
            (Link::start(pod), others)
        }
    };
    let link = started.map_err(|error| crate::chain(&error))?;
    Ok(Reach { link, others })
}

/// One of the other places of `target`.
pub fn beside(target: &Target, place: &Place) -> Target {
    match target {
        Target::Local(_) => target.clone(),
        Target::Workload(workload) => Target::Workload(Workload {
            kind: Kind::Pod,
            name: place.pod.clone(),
            container: Some(place.container.clone()),
            all: false,
            ..workload.clone()
        }),
    }
}
