//! What every stream handler may use: where the target's root is, where the
//! agent may write, when to stop. Knows nothing of any feature.

use std::path::{Component, Path, PathBuf};

use tokio_util::sync::CancellationToken;

/// Shared by all handlers of one agent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// What an absolute path of the target is relative to: `/` in a container, a
    /// directory for a `local:` target.
    pub root: PathBuf,
    /// The agent's own directory, on no account shared with anybody.
    pub state_dir: PathBuf,
    /// Cancelled when the agent has to end.
    pub shutdown: CancellationToken,
    /// Marks every process that the agent starts (environment variable
    /// `TOWLINE_AGENT`), so that a later run finds leftovers.
    pub marker: String,
}

impl Context {
    /// Whether the target is another container than the one that this runs in.
    pub fn is_beside(&self) -> bool {
        self.root.starts_with("/proc")
    }

    /// Where `path`, as the target names it, is on this file system. `..` never
    /// climbs above the root.
    pub fn resolve(&self, path: &str) -> PathBuf {
        let mut below = PathBuf::new();
        for component in Path::new(path).components() {
            match component {
                Component::Normal(name) => below.push(name),
                Component::ParentDir => {
                    below.pop();
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        self.root.join(below)
    }
}
