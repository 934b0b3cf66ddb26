//! `cp`: files in or out, outside of any sync. After `Opened::Ok` the side that
//! has the files sends [`Piece`] frames, first `Begin`, last `Done` or `Failed`.
//! When that is the hub, the agent answers with one [`Verdict`], early if it
//! cannot go on.

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

use crate::error::WireError;
use crate::path::RelPath;

/// What to copy, and which way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Copy {
    /// Into the target at this path.
    #[n(0)]
    In(#[n(0)] String),
    /// Out of the target from this path.
    #[n(1)]
    Out(#[n(0)] String),
}

/// A tree in order: a directory directly before what is in it, and a file
/// directly before its data. The path of what was named is the empty one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Piece {
    /// The last name of what was named; empty when only its content is meant, as
    /// with `dir/.`.
    #[n(0)]
    Begin(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// A directory.
    #[n(1)]
    Directory(#[n(0)] RelPath, #[n(1)] Attributes),
    /// A file; its data follows up to `EndOfFile`.
    #[n(2)]
    File(#[n(0)] RelPath, #[n(1)] Attributes),
    /// The next bytes of the file.
    #[n(3)]
    Data(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// The file is complete.
    #[n(4)]
    EndOfFile,
    /// A symbolic link and what it says, which is never followed.
    #[n(5)]
    Symlink(#[n(0)] RelPath, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>),
    /// Something that cannot be copied, and why. The rest goes on.
    #[n(6)]
    Skipped(#[n(0)] RelPath, #[n(1)] String),
    /// That was all.
    #[n(7)]
    Done,
    /// It cannot go on; what is incomplete is to be removed.
    #[n(8)]
    Failed(#[n(0)] WireError),
}

/// What is kept of a file or directory beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Attributes {
    /// Permission bits.
    #[n(0)]
    pub mode: u32,
    /// Seconds since the Unix epoch of the last change.
    #[n(1)]
    pub mtime_s: i64,
    /// Nanoseconds beyond them.
    #[n(2)]
    pub mtime_ns: u32,
}

/// How a copy into the target went.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Verdict {
    /// Everything that came is in place.
    #[n(0)]
    Done,
    /// It ended early.
    #[n(1)]
    Failed(#[n(0)] WireError),
}
