//! From a target to a running link: the one place in the hub that knows which
//! kind of target takes which way.

use crate::carrier::Choice;
use crate::carrier::process::LocalProcess;
use crate::cluster::pod::PodExec;
use crate::link::Link;
use crate::runtime::Workspace;
use crate::target::Target;

/// Reaches `target` for `workspace`.
///
/// # Errors
/// A full sentence: why it cannot even be tried.
pub fn start(target: &Target, workspace: &Workspace) -> Result<Link, String> {
    let choice = Choice::from_env().map_err(|error| crate::chain(&error))?;
    let started = match target {
        Target::Local(root) => {
            let local = LocalProcess::new(workspace.agent_dir(), root.clone())
                .map_err(|error| crate::chain(&error))?;
            Link::start(local.udp(choice.local_udp()))
        }
        Target::Workload(workload) => {
            let id = workspace.remote_id().map_err(|error| crate::chain(&error))?;
            Link::start(PodExec::new(workload.clone(), id, choice))
        }
    };
    started.map_err(|error| crate::chain(&error))
}
