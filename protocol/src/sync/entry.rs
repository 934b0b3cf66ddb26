//! What a path can hold, and what travels between replicas. Values only.

use alloc::vec::Vec;

use crate::error::WireError;
use crate::path::RelPath;

/// BLAKE3 of a file's content.
pub type Digest = [u8; 32];

/// The problem of a path that an ignore rule names: it is there, but none of the
/// sync's business, and least of all deleted.
pub const IGNORED: &str = "ignored";

/// The problem of a new path whose writer has not closed it yet; it will be seen.
pub const BEING_WRITTEN: &str = "is being written to";

/// What a path holds. Absence is `Option::None` around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory {
        /// Permission bits, `0o777`.
        mode: u16,
    },
    /// A regular file.
    File {
        /// Of its content.
        digest: Digest,
        /// Bytes.
        size: u64,
        /// Permission bits, `0o777`.
        mode: u16,
        /// Modification time, nanoseconds since the Unix epoch. Carried along,
        /// never compared: clocks differ between machines.
        mtime_ns: i64,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, as stored.
        target: Vec<u8>,
    },
}

impl Entry {
    /// Whether both mean the same to a sync: everything but the time.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::File { digest, size, mode, mtime_ns: _ },
                Self::File {
                    digest: other_digest,
                    size: other_size,
                    mode: other_mode,
                    mtime_ns: _,
                },
            ) => digest == other_digest && size == other_size && mode == other_mode,
            _ => self == other,
        }
    }
}

/// Whether two states of a path, absence included, mean the same.
pub fn agree(left: Option<&Entry>, right: Option<&Entry>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => left.agrees(right),
        _ => false,
    }
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The local tree.
    Alpha,
    /// The target's tree.
    Beta,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Alpha => Self::Beta,
            Self::Beta => Self::Alpha,
        }
    }
}

/// An edit to apply: compare-and-swap from `base` to `new`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// Where.
    pub path: RelPath,
    /// What the path must hold for the edit to be applied.
    pub base: Option<Entry>,
    /// What it holds then.
    pub new: Option<Entry>,
}

/// What became of an [`Op`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or it was so already. `state` is what the path holds now (a file
    /// system may not keep every mode bit).
    Applied {
        /// The replica's revision, see [`Observation::Seen`].
        rev: u64,
        /// What it holds.
        state: Option<Entry>,
    },
    /// The path holds something else than `base`; nothing was changed.
    Stale {
        /// The replica's revision.
        rev: u64,
        /// What it holds.
        state: Option<Entry>,
    },
    /// It could not be done; nothing was changed.
    Failed(WireError),
}

/// What a replica reports, in one ordered stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A scan of the whole tree begins. Sent first, and again after a watcher
    /// overflow or for an audit.
    ScanStarted {
        /// The id stored in the tree's own file system. Another one than before
        /// means another tree: the ancestor is void.
        replica: [u8; 16],
    },
    /// A path holds this now. `rev` grows with every observation and outcome of
    /// this replica, so a late message is told from a newer one.
    Seen {
        /// The replica's revision.
        rev: u64,
        /// Where.
        path: RelPath,
        /// What; none when it is gone.
        state: Option<Entry>,
        /// The content of a small file that was just edited, so that it needs
        /// no fetch.
        body: Option<Vec<u8>>,
    },
    /// Every path not seen since the last `ScanStarted` is absent.
    ScanDone {
        /// The replica's revision.
        rev: u64,
    },
    /// A path that cannot be synced, and why; again with none when it can.
    Problem {
        /// Where.
        path: RelPath,
        /// A lower-case fragment, or none when the problem is gone.
        problem: Option<alloc::string::String>,
    },
    /// The root is gone, unmounted or replaced: nothing it showed since can be
    /// believed. The replica stops until it is opened again.
    RootLost {
        /// A lower-case fragment.
        reason: alloc::string::String,
    },
    /// Watching is complete (none) or not, and what to do about it.
    Degraded {
        /// A lower-case fragment.
        reason: Option<alloc::string::String>,
    },
}
