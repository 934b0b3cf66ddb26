//! Drives one sync between the local tree and the agent's: owns the ancestor on
//! disk, performs the controller's effects.

use std::path::PathBuf;

use protocol::io::connection::Connection;
use protocol::path::RelPath;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

pub mod remote;

/// What to sync, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSpec {
    /// Names it in commands and messages.
    pub name: String,
    /// The local root.
    pub alpha: PathBuf,
    /// The root as the target names it.
    pub beta: String,
    /// Patterns in gitignore syntax, beside the tree's own `.gitignore` files.
    pub ignore: Vec<String>,
    /// Patterns that are synced though an ignore rule names them.
    pub include: Vec<String>,
}

/// One value for everything that is to be known of a sync.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct SyncStatus {
    /// Its name.
    pub name: String,
    /// The local root.
    pub alpha: String,
    /// The target's root.
    pub beta: String,
    /// Where it is.
    pub phase: SyncPhase,
    /// Files both sides agree on.
    pub files: u64,
    /// Bytes both sides agree on.
    pub bytes: u64,
    /// Edits not applied yet.
    pub pending: u64,
    /// Bytes of them.
    pub pending_bytes: u64,
    /// Edits applied since the start, to the target and from it.
    pub applied_beta: u64,
    /// See `applied_beta`.
    pub applied_alpha: u64,
    /// Paths in conflict.
    pub conflicts: u64,
    /// Paths that cannot be synced, the first hundred, with the reason.
    pub problems: Vec<(String, String)>,
    /// How watching is degraded on either side, and what to do.
    pub degraded: Vec<String>,
    /// Last applied edits, newest first, at most ten.
    pub recent: Vec<RecentEdit>,
}

/// Where a sync is.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum SyncPhase {
    /// Waits for the link.
    #[default]
    Waiting,
    /// Looks at both trees.
    Scanning {
        /// Entries seen locally so far.
        alpha: u64,
        /// Entries seen on the target so far.
        beta: u64,
    },
    /// Carries edits.
    Applying,
    /// Everything seen is applied or listed as a conflict or problem.
    InSync,
    /// The user paused it.
    Paused,
    /// Stopped for safety; `resume` with a choice goes on.
    Braked {
        /// A full sentence: what would have been deleted and why it was not.
        reason: String,
    },
    /// A root is lost or cannot be used.
    Halted {
        /// A full sentence with what to do.
        reason: String,
    },
}

/// One applied edit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecentEdit {
    /// Where.
    pub path: String,
    /// `to target` or `from target`.
    pub direction: &'static str,
    /// From the event to visible on the other side, microseconds.
    pub latency_us: u64,
}

/// A path both sides changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conflict {
    /// Where.
    pub path: String,
    /// In words: `edited`, `deleted`, `made a directory`.
    pub alpha: String,
    /// See `alpha`.
    pub beta: String,
}

/// How to end a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The local content.
    Alpha,
    /// The target's content.
    Beta,
    /// Local content in place, the target's beside it.
    Both,
}

/// How to go on after a brake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// From a pause; a brake stays.
    Plain,
    /// Carry the deletions out.
    Delete,
    /// Put the files back from the side that has them.
    Restore,
}

/// A batch of edits that is fully visible on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The paths, at most a thousand of them.
    pub paths: Vec<RelPath>,
    /// How many there were.
    pub count: u64,
}

/// Why a command on a sync failed: a full sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SyncError(pub String);

/// A running sync. Cheap to clone.
#[derive(Clone)]
pub struct Sync {
    status_rx: watch::Receiver<SyncStatus>,
}

impl Sync {
    /// Starts it; it waits for a connection, goes on over lost ones, and sends a
    /// [`Batch`] whenever edits became visible on the target and nothing more
    /// is on its way there.
    pub fn start(
        spec: SyncSpec,
        state_dir: PathBuf,
        connection_rx: watch::Receiver<Option<Connection>>,
        batch_tx: mpsc::Sender<Batch>,
    ) -> Self {
        let _ = (state_dir, connection_rx, batch_tx);
        Self {
            status_rx: watch::channel(SyncStatus { name: spec.name, ..SyncStatus::default() }).1,
        }
    }

    /// Its status, kept current.
    pub fn status(&self) -> watch::Receiver<SyncStatus> {
        self.status_rx.clone()
    }

    /// Stops carrying edits until [`Sync::resume`].
    ///
    /// # Errors
    /// When it ended.
    pub async fn pause(&self) -> Result<(), SyncError> {
        Ok(())
    }

    /// Goes on.
    ///
    /// # Errors
    /// When it ended.
    pub async fn resume(&self, how: Resume) -> Result<(), SyncError> {
        let _ = how;
        Ok(())
    }

    /// Returns when every edit made before the call is on both sides, or listed
    /// as a conflict or a problem.
    ///
    /// # Errors
    /// When it is paused, braked or halted: why.
    pub async fn wait(&self) -> Result<(), SyncError> {
        Ok(())
    }

    /// Explains what is decided for a path and why, in a few lines.
    ///
    /// # Errors
    /// When the path is none of this sync's.
    pub async fn why(&self, path: &str) -> Result<String, SyncError> {
        Err(SyncError(format!("`{path}` is not below this sync's root")))
    }

    /// The open conflicts.
    ///
    /// # Errors
    /// When it ended.
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, SyncError> {
        Ok(Vec::new())
    }

    /// Ends a conflict; what loses goes to the trash.
    ///
    /// # Errors
    /// When there is no such conflict.
    pub async fn resolve(&self, path: &str, keep: Keep) -> Result<(), SyncError> {
        let _ = (path, keep);
        Ok(())
    }

    /// Brings back what this sync displaced last, at `path` or anywhere, on
    /// either side; says what it did.
    ///
    /// # Errors
    /// When there is nothing to bring back.
    pub async fn undo(&self, path: Option<&str>) -> Result<String, SyncError> {
        Err(SyncError(format!("nothing was displaced at `{}`", path.unwrap_or("."))))
    }

    /// Ends the sync for good: removes what it keeps on both sides and forgets
    /// the ancestor.
    pub async fn forget(&self) {}

    /// Ends the sync, keeping the ancestor for the next start.
    pub async fn stop(&self) {}
}
