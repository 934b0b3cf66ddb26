//! Processes of the target, and debuggers at them.
//!
//! [`Open::Processes`](super::stream::Open) is answered by `Opened::Ok` and any number
//! of [`ProcessList`] frames, the last one marked. A debug stream carries [`ToDebugger`]
//! frames from the hub and [`FromDebugger`] frames from the agent: first
//! [`FromDebugger::Ready`], then the adapter's own bytes, which are DAP. Who holds the
//! stream says [`ToDebugger::Alive`] again and again; when it does not for as long as
//! [`OpenDebug::lease_ms`], the agent lets the process go. [`OpenSource`] is answered by
//! [`SourceChunk`] frames.

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Which processes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenProcesses {
    /// Also those that are none of the target's.
    #[n(0)]
    pub all: bool,
}

/// Some of the processes, in order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProcessList {
    /// These.
    #[n(0)]
    pub processes: Vec<ProcessEntry>,
    /// Whether more frames follow.
    #[n(1)]
    pub more: bool,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProcessEntry {
    /// Its id, as the agent sees it.
    #[n(0)]
    pub pid: u32,
    /// Who started it.
    #[n(1)]
    pub parent: u32,
    /// Its command line, cut where it is very long.
    #[n(2)]
    pub argv: Vec<String>,
    /// Its user: a name, or a number where none is known.
    #[n(3)]
    pub user: String,
    /// The language's id in the registry, as `python`.
    #[n(4)]
    pub language: String,
    /// What runs it, for people: `python 3.11`, `go 1.22`, `native, no debug info`.
    #[n(5)]
    pub runtime: String,
    /// TCP ports that it listens on.
    #[n(6)]
    pub ports: Vec<u16>,
    /// Whether a debugger can be attached.
    #[n(7)]
    pub attach: Attach,
    /// What a person would call it: `app.py`, `api`.
    #[n(8)]
    pub name: String,
    /// Whether it is the app that the agent supervises, or came of it.
    #[n(9)]
    pub supervised: bool,
    /// Debug adapters for it that were found beside it.
    #[n(10)]
    pub adapters: Vec<String>,
}

/// What the preflight says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Attach {
    /// It will work.
    #[n(0)]
    Yes,
    /// It will when this is there.
    #[n(1)]
    Needs(#[n(0)] String),
    /// Only after a start with other flags.
    #[n(2)]
    NeedsRestart(#[n(0)] String),
}

/// Attach a debugger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenDebug {
    /// To this process.
    #[n(0)]
    pub pid: u32,
    /// How long the agent holds the process without a word of the hub, in milliseconds.
    #[n(1)]
    pub lease_ms: u32,
    /// An adapter by its name or path, instead of the one that would be taken.
    #[n(2)]
    pub adapter: Option<String>,
    /// Directory on the target that holds an uploaded adapter, if one was.
    #[n(3)]
    pub uploaded: Option<String>,
}

/// From the hub.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ToDebugger {
    /// Bytes for the adapter.
    #[n(0)]
    Bytes(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// The client is still there.
    #[n(1)]
    Alive,
    /// The client is gone: let the process go now.
    #[n(2)]
    Release,
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FromDebugger {
    /// The adapter runs.
    #[n(0)]
    Ready(#[n(0)] AdapterReady),
    /// Bytes of the adapter.
    #[n(1)]
    Bytes(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Something that a person should know.
    #[n(2)]
    Note(#[n(0)] String),
    /// The last frame: why it is over.
    #[n(3)]
    Ended(#[n(0)] String),
}

/// What the hub has to know of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AdapterReady {
    /// The language's id in the registry.
    #[n(0)]
    pub language: String,
    /// The adapter's name, as `debugpy`.
    #[n(1)]
    pub adapter: String,
    /// The arguments of its `attach` request, a JSON object.
    #[n(2)]
    pub arguments: String,
    /// Where the target's root is, as the process sees it: `/` in a container.
    #[n(3)]
    pub root: String,
    /// The directory that the process works in.
    #[n(4)]
    pub cwd: String,
    /// Source files that the program names, at most a few hundred: what path mapping is
    /// inferred from.
    #[n(5)]
    pub sources: Vec<String>,
    /// Modules of the program and where they are, as `example.com/cart`.
    #[n(6)]
    pub module: Option<String>,
    /// How the adapter differs from what DAP says.
    #[n(7)]
    pub quirks: Vec<Quirk>,
}

/// How an adapter differs from what DAP says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Quirk {
    /// It stops the process once by itself after an attach.
    #[n(0)]
    StopsAtAttach,
    /// It takes breakpoints and a disconnect only while the process stands still.
    #[n(1)]
    PauseBeforeDisconnect,
    /// It asks for a child session, which is the real one.
    #[n(2)]
    ChildSession,
    /// The bytes are no DAP: this is an inspector that an adapter on the hub's side speaks
    /// with.
    #[n(3)]
    Inspector,
}

/// Read a source file as the process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenSource {
    /// Through the eyes of this process.
    #[n(0)]
    pub pid: u32,
    /// Its absolute path.
    #[n(1)]
    pub path: String,
}

/// A piece of a source file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SourceChunk {
    /// The bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// Whether more follow.
    #[n(1)]
    pub more: bool,
}

/// Bring a debug adapter that the target lacks. After `Opened::Ok` the agent sends one
/// [`Uploaded`]; on `Wanted` the hub sends [`UploadPiece`] frames and gets a second one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenUpload {
    /// What it is, as `debugpy`.
    #[n(0)]
    pub name: String,
    /// The digest of its list of files: see [`UploadPiece::File`].
    #[n(1)]
    pub digest: String,
}

/// A part of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum UploadPiece {
    /// A file. The digest is that of the lines `PATH DIGEST` of all, in this order.
    #[n(0)]
    File {
        /// Relative, in plain components.
        #[n(0)]
        path: String,
        /// Its content.
        #[cbor(n(1), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
    /// That was all.
    #[n(1)]
    End,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Uploaded {
    /// It is in this directory.
    #[n(0)]
    There(#[n(0)] String),
    /// It is not there yet.
    #[n(1)]
    Wanted,
    /// It could not be stored.
    #[n(2)]
    Failed(#[n(0)] crate::error::WireError),
}
