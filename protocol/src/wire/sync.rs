//! Messages between a hub's sync and the replica that the agent serves.
//!
//! | stream | hub sends | agent sends |
//! |---|---|---|
//! | sync | nothing | frames of [`Observations`] |
//! | sync apply | frames of [`Edits`], then the end | one frame of [`Outcomes`] per frame of edits |
//! | sync fetch | one frame of [`Wanted`] | one frame of [`WireFetched`] per entry |
//! | sync ask | one frame of [`Ask`]; for `WriteDelta` the delta's bytes and the end | one frame of [`Answer`]; for `ReadDelta` the delta's bytes and the end, for `Trash` the frames of [`TrashPage`] |

use alloc::string::String;
use alloc::vec::Vec;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::error::WireError;
use crate::path::RelPath;
use crate::sync::entry::{Entry, Observation, Op, Outcome};

/// Opens a replica.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenReplica {
    /// Names this sync on this connection; the hub chooses it.
    #[n(0)]
    pub sync: u32,
    /// The root as the target names it.
    #[n(1)]
    pub root: String,
    /// Patterns in gitignore syntax that are not synced.
    #[n(2)]
    pub ignore: Vec<String>,
    /// Patterns that are synced though a rule names them.
    #[n(3)]
    pub include: Vec<String>,
    /// Whether the tree's own `.gitignore` files are obeyed.
    #[n(4)]
    pub evaluate_ignores: bool,
}

/// Opens a batch of edits.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenApply {
    /// Which replica.
    #[n(0)]
    pub sync: u32,
}

/// Opens a batch of bodies.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenFetch {
    /// Which replica.
    #[n(0)]
    pub sync: u32,
}

/// Opens one question to a replica.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenAsk {
    /// Which replica.
    #[n(0)]
    pub sync: u32,
}

/// What a path holds, see [`Entry`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum WireEntry {
    /// A directory.
    #[n(0)]
    Directory(#[n(0)] u16),
    /// A file: digest, size, mode, modification time.
    #[n(1)]
    File(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32], #[n(1)] u64, #[n(2)] u16, #[n(3)] i64),
    /// A link's target.
    #[n(2)]
    Symlink(#[n(0)] ByteVec),
}

/// One edit with its body.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct WireEdit {
    /// Where.
    #[n(0)]
    pub path: RelPath,
    /// What it must hold.
    #[n(1)]
    pub base: Option<WireEntry>,
    /// What it holds then.
    #[n(2)]
    pub new: Option<WireEntry>,
    /// Its content.
    #[n(3)]
    pub body: Option<ByteVec>,
}

/// A batch of edits.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Edits {
    /// In order.
    #[n(0)]
    pub edits: Vec<WireEdit>,
}

/// What became of one edit, see [`Outcome`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum WireOutcome {
    /// Revision and state.
    #[n(0)]
    Applied(#[n(0)] u64, #[n(1)] Option<WireEntry>),
    /// Revision and state.
    #[n(1)]
    Stale(#[n(0)] u64, #[n(1)] Option<WireEntry>),
    /// Why not.
    #[n(2)]
    Failed(#[n(0)] WireError),
}

/// Outcomes in the order of their edits.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Outcomes {
    /// In order; or why the whole batch failed.
    #[n(0)]
    pub outcomes: Vec<WireOutcome>,
    /// Why the whole batch failed.
    #[n(1)]
    pub refused: Option<WireError>,
}

/// See [`Observation`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum WireObservation {
    /// The replica's id.
    #[n(0)]
    ScanStarted(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]),
    /// Revision, path, state, body.
    #[n(1)]
    Seen(#[n(0)] u64, #[n(1)] RelPath, #[n(2)] Option<WireEntry>, #[n(3)] Option<ByteVec>),
    /// Revision.
    #[n(2)]
    ScanDone(#[n(0)] u64),
    /// Path and problem.
    #[n(3)]
    Problem(#[n(0)] RelPath, #[n(1)] Option<String>),
    /// Why.
    #[n(4)]
    RootLost(#[n(0)] String),
    /// Why, and what to do.
    #[n(5)]
    Degraded(#[n(0)] Option<String>),
}

/// Some observations, in order.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Observations {
    /// In order.
    #[n(0)]
    pub observations: Vec<WireObservation>,
}

/// A path and what it is believed to hold.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct WireWanted {
    /// Where.
    #[n(0)]
    pub path: RelPath,
    /// What.
    #[n(1)]
    pub entry: WireEntry,
}

/// Bodies that are wanted.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Wanted {
    /// In order.
    #[n(0)]
    pub wanted: Vec<WireWanted>,
}

/// A body that was asked for.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum WireFetched {
    /// The content.
    #[n(0)]
    Body(#[n(0)] ByteVec),
    /// It holds something else by now.
    #[n(1)]
    Changed,
    /// It could not be read.
    #[n(2)]
    Failed(#[n(0)] WireError),
}

/// One question to a replica.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Ask {
    /// The signature of a file.
    #[n(0)]
    Signature(#[n(0)] WireWanted),
    /// A file as a delta against a signature.
    #[n(1)]
    ReadDelta(#[n(0)] WireWanted, #[n(1)] ByteVec),
    /// An edit whose delta follows.
    #[n(2)]
    WriteDelta(#[n(0)] WireEdit),
    /// What was displaced.
    #[n(3)]
    Trash,
    /// Brings an item back.
    #[n(4)]
    Restore(#[n(0)] u64),
    /// Scans everything.
    #[n(5)]
    Rescan,
    /// Answers when everything that happened before is observed.
    #[n(6)]
    Flush,
    /// Ends the replica and removes what it keeps.
    #[n(7)]
    RemoveTraces,
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Answer {
    /// Done; what was asked for follows.
    #[n(0)]
    Done,
    /// The path holds something else.
    #[n(1)]
    Changed,
    /// What became of the edit.
    #[n(2)]
    Outcome(#[n(0)] WireOutcome),
    /// The signature.
    #[n(3)]
    Signature(#[n(0)] ByteVec),
    /// No.
    #[n(4)]
    Refused(#[n(0)] WireError),
    /// This many observations were sent on the sync stream since it was opened.
    #[n(5)]
    Flushed(#[n(0)] u64),
}

/// One displaced thing.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct WireTrashItem {
    /// Its id.
    #[n(0)]
    pub id: u64,
    /// Where it was.
    #[n(1)]
    pub path: RelPath,
    /// What it was.
    #[n(2)]
    pub entry: WireEntry,
    /// When.
    #[n(3)]
    pub at_us: u64,
}

/// Some trash items, newest first; an empty page is the last.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct TrashPage {
    /// In order.
    #[n(0)]
    pub items: Vec<WireTrashItem>,
}

impl WireWanted {
    /// For the wire.
    pub fn new(path: RelPath, entry: &Entry) -> Self {
        Self { path, entry: entry.into() }
    }
}

impl From<&Entry> for WireEntry {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Directory { mode } => Self::Directory(*mode),
            Entry::File { digest, size, mode, mtime_ns } => {
                Self::File(*digest, *size, *mode, *mtime_ns)
            }
            Entry::Symlink { target } => Self::Symlink(target.clone().into()),
        }
    }
}

impl From<WireEntry> for Entry {
    fn from(entry: WireEntry) -> Self {
        match entry {
            WireEntry::Directory(mode) => Self::Directory { mode: mode & 0o777 },
            WireEntry::File(digest, size, mode, mtime_ns) => {
                Self::File { digest, size, mode: mode & 0o777, mtime_ns }
            }
            WireEntry::Symlink(target) => Self::Symlink { target: target.into() },
        }
    }
}

impl WireEdit {
    /// For the wire.
    pub fn new(op: &Op, body: Option<Vec<u8>>) -> Self {
        Self {
            path: op.path.clone(),
            base: op.base.as_ref().map(WireEntry::from),
            new: op.new.as_ref().map(WireEntry::from),
            body: body.map(ByteVec::from),
        }
    }

    /// Off the wire.
    pub fn split(self) -> (Op, Option<Vec<u8>>) {
        let op = Op {
            path: self.path,
            base: self.base.map(Entry::from),
            new: self.new.map(Entry::from),
        };
        (op, self.body.map(Vec::from))
    }
}

impl From<Outcome> for WireOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied { rev, state } => {
                Self::Applied(rev, state.as_ref().map(WireEntry::from))
            }
            Outcome::Stale { rev, state } => Self::Stale(rev, state.as_ref().map(WireEntry::from)),
            Outcome::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<WireOutcome> for Outcome {
    fn from(outcome: WireOutcome) -> Self {
        match outcome {
            WireOutcome::Applied(rev, state) => {
                Self::Applied { rev, state: state.map(Entry::from) }
            }
            WireOutcome::Stale(rev, state) => Self::Stale { rev, state: state.map(Entry::from) },
            WireOutcome::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<Observation> for WireObservation {
    fn from(observation: Observation) -> Self {
        match observation {
            Observation::ScanStarted { replica } => Self::ScanStarted(replica),
            Observation::Seen { rev, path, state, body } => {
                Self::Seen(rev, path, state.as_ref().map(WireEntry::from), body.map(ByteVec::from))
            }
            Observation::ScanDone { rev } => Self::ScanDone(rev),
            Observation::Problem { path, problem } => Self::Problem(path, problem),
            Observation::RootLost { reason } => Self::RootLost(reason),
            Observation::Degraded { reason } => Self::Degraded(reason),
        }
    }
}

impl From<WireObservation> for Observation {
    fn from(observation: WireObservation) -> Self {
        match observation {
            WireObservation::ScanStarted(replica) => Self::ScanStarted { replica },
            WireObservation::Seen(rev, path, state, body) => {
                Self::Seen { rev, path, state: state.map(Entry::from), body: body.map(Vec::from) }
            }
            WireObservation::ScanDone(rev) => Self::ScanDone { rev },
            WireObservation::Problem(path, problem) => Self::Problem { path, problem },
            WireObservation::RootLost(reason) => Self::RootLost { reason },
            WireObservation::Degraded(reason) => Self::Degraded { reason },
        }
    }
}
