//! Looking at the target's files and moving them about, outside of any sync, as an
//! editor's file tree does. One request a stream; `Opened::Ok` and one
//! [`FilesReply`], or a refusal. Contents go by [`super::copy`].

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// What is wanted. Paths are as the target names them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Files {
    /// The entries of a directory, in order of their names.
    #[n(0)]
    List {
        /// Which directory.
        #[n(0)]
        path: String,
        /// Only those behind this name.
        #[cbor(n(1), with = "minicbor::bytes")]
        after: Option<Vec<u8>>,
    },
    /// What is at a path; of a link, what it leads to.
    #[n(1)]
    Stat(#[n(0)] String),
    /// Take a file, a link or a directory away.
    #[n(2)]
    Remove {
        /// Which.
        #[n(0)]
        path: String,
        /// A directory with all that is in it.
        #[n(1)]
        recursive: bool,
    },
    /// Give something another name.
    #[n(3)]
    Rename {
        /// What.
        #[n(0)]
        from: String,
        /// Its new name.
        #[n(1)]
        to: String,
        /// Though that name is taken.
        #[n(2)]
        overwrite: bool,
    },
    /// Make a directory.
    #[n(4)]
    MakeDirectory(#[n(0)] String),
    /// Look for a text in files, in order of their paths. One request looks at so many
    /// files only, and says where the next one goes on.
    #[n(5)]
    Search(#[n(0)] Search),
}

/// What is looked for, and where.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Search {
    /// A directory with all that is in it, or a file.
    #[n(0)]
    pub path: String,
    /// What to look for in each line, as it is.
    #[n(1)]
    pub text: String,
    /// Whether `a` is another letter than `A`; of other letters it always matters.
    #[n(2)]
    pub match_case: bool,
    /// Only in what comes behind this path below `path`.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub after: Option<Vec<u8>>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FilesReply {
    /// To `List`.
    #[n(0)]
    Entries {
        /// In order.
        #[n(0)]
        entries: Vec<Named>,
        /// Whether there are some behind the last one.
        #[n(1)]
        more: bool,
    },
    /// To `Stat`.
    #[n(1)]
    Facts(#[n(0)] Facts),
    /// It is done.
    #[n(2)]
    Done,
    /// To `Search`.
    #[n(3)]
    Found {
        /// In order; of each line the first.
        #[n(0)]
        matches: Vec<Match>,
        /// How many files were looked at.
        #[n(1)]
        files: u32,
        /// Where to go on; none when everything was looked at.
        #[cbor(n(2), with = "minicbor::bytes")]
        next: Option<Vec<u8>>,
    },
}

/// A place where a text was found.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Match {
    /// The file, below what was searched; empty for that itself.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub path: Vec<u8>,
    /// From 1.
    #[n(1)]
    pub line: u32,
    /// From 0, in units of UTF-16.
    #[n(2)]
    pub column: u32,
    /// The line, as far as a list shows it.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub text: Vec<u8>,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Named {
    /// Its name.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub name: Vec<u8>,
    /// What it is; of a link, what it leads to.
    #[n(1)]
    pub facts: Facts,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Facts {
    /// What it is.
    #[n(0)]
    pub kind: FileKind,
    /// Bytes.
    #[n(1)]
    pub size: u64,
    /// Last change, microseconds since the Unix epoch.
    #[n(2)]
    pub mtime_us: u64,
    /// Permission bits.
    #[n(3)]
    pub mode: u32,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FileKind {
    /// A regular file.
    #[n(0)]
    File,
    /// A directory.
    #[n(1)]
    Directory,
    /// A link that leads nowhere.
    #[n(2)]
    Link,
    /// A device, a pipe, a socket.
    #[n(3)]
    Other,
}
