//! Commands and terminals. After `Opened::Ok` the hub sends [`Input`] frames and
//! the agent [`Output`] frames until [`Output::Exited`].

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Run a command beside the app.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Exec {
    /// Program and arguments; empty means the user's shell.
    #[n(0)]
    pub argv: Vec<String>,
    /// Working directory as the target names it; none means the default.
    #[n(1)]
    pub cwd: Option<String>,
    /// Added to the environment.
    #[n(2)]
    pub env: Vec<(String, String)>,
    /// A terminal of this size, else plain pipes.
    #[n(3)]
    pub tty: Option<WindowSize>,
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct WindowSize {
    /// Rows.
    #[n(0)]
    pub rows: u16,
    /// Columns.
    #[n(1)]
    pub cols: u16,
}

/// From the side that asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Input {
    /// Bytes for its standard input.
    #[n(0)]
    Stdin(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// No more input.
    #[n(1)]
    StdinEof,
    /// The terminal has a new size.
    #[n(2)]
    Resize(#[n(0)] WindowSize),
    /// Send this signal (Linux number) to its process group.
    #[n(3)]
    Signal(#[n(0)] i32),
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Output {
    /// It runs with this process id.
    #[n(0)]
    Started(#[n(0)] u32),
    /// Bytes it wrote to standard output, or to its terminal.
    #[n(1)]
    Stdout(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Bytes it wrote to standard error.
    #[n(2)]
    Stderr(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// It ended; the last frame.
    #[n(3)]
    Exited(#[n(0)] Exit),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Exit {
    /// By itself, with this status.
    #[n(0)]
    Code(#[n(0)] i32),
    /// By this signal.
    #[n(1)]
    Signal(#[n(0)] i32),
}
