//! What a sync asks of a tree, wherever that tree is: the hub's own directory
//! and the agent's implement one trait.

use std::future::Future;
use std::pin::Pin;

use tokio::io::AsyncRead;

use crate::error::WireError;
use crate::path::RelPath;
use crate::sync::entry::{Entry, Op, Outcome};
use crate::wire::stream::Priority;

/// A boxed future, so that replicas can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a whole request failed; single paths have their own [`Outcome`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReplicaError {
    /// The link is down; ask again on the next connection.
    #[error("the replica cannot be reached")]
    Unreachable,
    /// The replica refused.
    #[error(transparent)]
    Refused(WireError),
}

/// An [`Op`] with what it needs.
#[derive(Debug, Clone)]
pub struct Edit {
    /// What to do.
    pub op: Op,
    /// The new content, for a file whose digest differs from the base's. At most
    /// [`INLINE_BODY_MAX`](crate::limits::INLINE_BODY_MAX) bytes; larger ones go
    /// through [`Replica::write_delta`].
    pub body: Option<Vec<u8>>,
}

/// A body that was asked for.
#[derive(Debug, Clone)]
pub enum Fetched {
    /// The content of the entry that was asked for.
    Body(Vec<u8>),
    /// The path holds something else by now; an observation follows.
    Changed,
    /// It could not be read.
    Failed(WireError),
}

/// Something displaced that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashItem {
    /// Names it on this replica; grows with time.
    pub id: u64,
    /// Where it was.
    pub path: RelPath,
    /// What it was.
    pub entry: Entry,
    /// When it was displaced, microseconds since the Unix epoch by the
    /// replica's clock.
    pub at_us: u64,
}

/// Delta bytes in the encoding of [`crate::sync::delta`], in order.
pub type DeltaReader = Box<dyn AsyncRead + Send + Unpin>;

/// A tree that can be synced.
pub trait Replica: Send + Sync {
    /// Applies a batch of edits, each by compare-and-swap; outcomes in the order
    /// of the edits. Missing parent directories are made. Independent edits of a
    /// batch may be applied in parallel; a directory is never removed before
    /// what is in it.
    fn apply(
        &self,
        edits: Vec<Edit>,
        priority: Priority,
    ) -> BoxFuture<'_, Result<Vec<Outcome>, ReplicaError>>;

    /// Reads small bodies, in the order asked for.
    fn fetch(
        &self,
        wanted: Vec<(RelPath, Entry)>,
        priority: Priority,
    ) -> BoxFuture<'_, Result<Vec<Fetched>, ReplicaError>>;

    /// The delta signature of a file that holds `entry`, in the encoding of
    /// [`crate::sync::delta`]; none when it holds something else.
    fn signature(
        &self,
        path: RelPath,
        entry: Entry,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, ReplicaError>>;

    /// The content of a file that holds `entry`, as a delta against `signature`
    /// (an empty signature: as plain data); none when it holds something else.
    fn read_delta(
        &self,
        path: RelPath,
        entry: Entry,
        signature: Vec<u8>,
    ) -> BoxFuture<'_, Result<Option<DeltaReader>, ReplicaError>>;

    /// Applies one edit whose content comes as a delta against the base's file.
    fn write_delta(
        &self,
        op: Op,
        delta: DeltaReader,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>>;

    /// What was displaced, newest first.
    fn trash(&self) -> BoxFuture<'_, Result<Vec<TrashItem>, ReplicaError>>;

    /// Puts a trash item back where it was; what is there now goes to the trash.
    /// An ordinary edit: the watcher reports it and it syncs.
    fn restore(&self, id: u64) -> BoxFuture<'_, Result<Outcome, ReplicaError>>;

    /// Scans everything again (`ScanStarted` … `ScanDone` follow).
    fn rescan(&self) -> BoxFuture<'_, Result<(), ReplicaError>>;

    /// Returns when everything that happened in the tree before the call has been
    /// sent as an observation.
    fn flush(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async { Ok(()) }) // for replicas that observe at once
    }

    /// Whether the tree's own rules name `path`, whatever is or is not there now.
    /// The directories above it are asked about on their own.
    fn ignores(&self, path: &RelPath, is_directory: bool) -> bool {
        let _ = (path, is_directory);
        false
    }

    /// Ends the replica and removes everything it keeps in or for the tree.
    fn remove_traces(&self) -> BoxFuture<'_, Result<(), ReplicaError>>;
}
