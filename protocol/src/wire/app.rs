//! The app the agent supervises (`towline up … -- CMD`) and its output.

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

use super::exec::Exit;

/// One request; the agent answers with one [`AppReply`] frame after `Opened::Ok`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum AppRequest {
    /// Run this app. The same app running already is left alone; another one is
    /// stopped first.
    #[n(0)]
    Launch(#[n(0)] AppCommand),
    /// Stop and start it.
    #[n(1)]
    Restart,
    /// Stop it.
    #[n(2)]
    Stop,
    /// How it is.
    #[n(3)]
    Status,
    /// Stays open: one [`AppReply`] now and one at each change.
    #[n(4)]
    Watch,
    /// Run a hook's command to its end; its output goes to the logs. Answered
    /// with `Ran`.
    #[n(5)]
    Hook(#[n(0)] AppCommand),
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AppCommand {
    /// Program and arguments, never empty.
    #[n(0)]
    pub argv: Vec<String>,
    /// Working directory as the target names it.
    #[n(1)]
    pub cwd: Option<String>,
    /// Added to the environment.
    #[n(2)]
    pub env: Vec<(String, String)>,
}

/// The answer to an [`AppRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum AppReply {
    /// No app was asked for.
    #[n(0)]
    None,
    /// It runs.
    #[n(1)]
    Running {
        /// Its process id.
        #[n(0)]
        pid: u32,
        /// How often it was started.
        #[n(1)]
        starts: u64,
    },
    /// It ended.
    #[n(2)]
    Exited {
        /// How.
        #[n(0)]
        exit: Exit,
        /// How often it was started.
        #[n(1)]
        starts: u64,
    },
    /// A hook ran to its end.
    #[n(3)]
    Ran(#[n(0)] Exit),
}

/// Read the logs: [`LogLine`] frames follow until the end, or for ever.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Logs {
    /// Only the last so many lines of what is kept; none means all.
    #[n(0)]
    pub tail: Option<u32>,
    /// Go on with what comes.
    #[n(1)]
    pub follow: bool,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogLine {
    /// Microseconds since the Unix epoch, by the agent's clock.
    #[n(0)]
    pub at_us: u64,
    /// Where it came from.
    #[n(1)]
    pub source: LogSource,
    /// The bytes of one line without its end; a line over 64 KiB comes in pieces.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub text: Vec<u8>,
}

/// Who wrote a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LogSource {
    /// The app's standard output.
    #[n(0)]
    Stdout,
    /// The app's standard error.
    #[n(1)]
    Stderr,
    /// A hook.
    #[n(2)]
    Hook,
    /// The agent itself: started, exited with, restarted because.
    #[n(3)]
    Agent,
}
