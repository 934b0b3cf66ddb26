//! Drives one sync between the local tree and the agent's: owns the ancestor on
//! disk, performs the controller's effects. Decides nothing about any path; that
//! is [`protocol::sync::controller`].

use std::path::PathBuf;
use std::sync::Arc;

use protocol::io::connection::Connection;
use protocol::path::RelPath;
use protocol::sync::mode::Mode;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

mod actor;
mod carry;
mod replicas;
mod status;
mod store;
#[cfg(test)]
mod tests;

use actor::Command;
use replicas::{Replicas, Trees};

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
    /// In which direction.
    pub mode: Mode,
}

/// One value for everything that is to be known of a sync.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecentEdit {
    /// Where.
    pub path: String,
    /// Which way.
    pub direction: Direction,
    /// From the event to visible on the other side, microseconds.
    pub latency_us: u64,
}

/// Which way an edit went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Direction {
    /// From here.
    #[serde(rename = "to target")]
    ToTarget,
    /// To here.
    #[serde(rename = "from target")]
    FromTarget,
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
    /// faces --commands--> actor
    command_tx: mpsc::Sender<Command>,
}

/// Commands that may wait for the actor; faces wait beyond that.
const COMMANDS_MAX: usize = 64;

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
        let place = state_dir.join(store::name_of(&spec));
        let trees = Trees::new(spec.clone(), &place);
        Self::start_with(spec, place, connection_rx, batch_tx, Arc::new(trees))
    }

    fn start_with(
        spec: SyncSpec,
        place: PathBuf,
        connection_rx: watch::Receiver<Option<Connection>>,
        batch_tx: mpsc::Sender<Batch>,
        replicas: Arc<dyn Replicas>,
    ) -> Self {
        let (status_tx, status_rx) = watch::channel(status::initial(&spec));
        let (command_tx, command_rx) = mpsc::channel(COMMANDS_MAX);
        let ends = actor::Ends { connection_rx, command_rx, batch_tx, status_tx };
        tokio::spawn(actor::run(spec, place, ends, replicas));
        Self { status_rx, command_tx }
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
        self.ask(Command::Pause).await
    }

    /// Goes on.
    ///
    /// # Errors
    /// When it ended, or there is no brake to go on from.
    pub async fn resume(&self, how: Resume) -> Result<(), SyncError> {
        self.ask(|reply_tx| Command::Resume(how, reply_tx)).await?
    }

    /// Looks at what has happened here, without waiting for the watch's own pace.
    ///
    /// # Errors
    /// When it ended.
    pub async fn look(&self) -> Result<(), SyncError> {
        self.ask(Command::Look).await
    }

    /// Returns when every edit made before the call is on both sides, or listed
    /// as a conflict or a problem.
    ///
    /// # Errors
    /// When it is paused, braked or halted: why.
    pub async fn wait(&self) -> Result<(), SyncError> {
        self.ask(Command::Wait).await?
    }

    /// Explains what is decided for a path and why, in a few lines.
    ///
    /// # Errors
    /// When the path is none of this sync's.
    pub async fn why(&self, path: &str) -> Result<String, SyncError> {
        let path = path.to_owned();
        self.ask(|reply_tx| Command::Why(path, reply_tx)).await?
    }

    /// A path as this sync has it: below its root, as it is shown.
    ///
    /// # Errors
    /// When the path is none of this sync's.
    pub async fn named(&self, path: &str) -> Result<String, SyncError> {
        let path = path.to_owned();
        self.ask(|reply_tx| Command::Named(path, reply_tx)).await?
    }

    /// The open conflicts.
    ///
    /// # Errors
    /// When it ended.
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, SyncError> {
        self.ask(Command::Conflicts).await
    }

    /// Ends a conflict; what loses goes to the trash.
    ///
    /// # Errors
    /// When there is no such conflict.
    pub async fn resolve(&self, path: &str, keep: Keep) -> Result<(), SyncError> {
        let path = path.to_owned();
        self.ask(|reply_tx| Command::Resolve(path, keep, reply_tx)).await?
    }

    /// Brings back what this sync displaced last, at `path` or anywhere, on
    /// either side; says what it did.
    ///
    /// # Errors
    /// When there is nothing to bring back.
    pub async fn undo(&self, path: Option<&str>) -> Result<String, SyncError> {
        let path = path.map(str::to_owned);
        self.ask(|reply_tx| Command::Undo(path, reply_tx)).await?
    }

    /// Ends the sync for good: removes what it keeps on both sides and forgets
    /// the ancestor.
    pub async fn forget(&self) {
        let _ = self.ask(Command::Forget).await; // already ended is as good
    }

    /// Ends the sync, keeping the ancestor for the next start.
    pub async fn stop(&self) {
        let _ = self.ask(Command::Stop).await; // already ended is as good
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, SyncError> {
        let ended = || SyncError(format!("the sync `{}` has ended", self.status_rx.borrow().name));
        let (reply_tx, reply_rx) = oneshot::channel();
        self.command_tx.send(command(reply_tx)).await.map_err(|_| ended())?;
        reply_rx.await.map_err(|_| ended())
    }
}
