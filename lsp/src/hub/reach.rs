//! From a target to a running link.

use crate::link::Link;
use crate::runtime::Workspace;
use crate::target::Target;

/// Reaches `target` for `workspace`.
pub fn start(target: &Target, workspace: &Workspace) -> Link {
    let Target::Local(root) = target;
    let _ = (root, workspace);
    Link::unreachable()
}
