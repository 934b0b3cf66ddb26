//! From a target to a running link: the one place in the hub that knows which
//! kind of target takes which way.

use std::net::Ipv4Addr;

use crate::carrier::UdpChoice;
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
    let udp = UdpChoice::from_env().map_err(|error| crate::chain(&error))?;
    let started = match target {
        Target::Local(root) => {
            let udp = udp.route(Some(Ipv4Addr::LOCALHOST.into()));
            let local = LocalProcess::new(workspace.agent_dir(), root.clone())
                .map_err(|error| crate::chain(&error))?;
            Link::start(local.udp(udp))
        }
        Target::Workload(workload) => {
            let id = workspace.remote_id().map_err(|error| crate::chain(&error))?;
            Link::start(PodExec::new(workload.clone(), id, udp))
        }
    };
    started.map_err(|error| crate::chain(&error))
}
