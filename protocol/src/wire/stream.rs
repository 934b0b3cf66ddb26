//! The first frame of each stream: what it is for.
//!
//! | tag | stream | opened by |
//! |---|---|---|
//! | 0 | control | hub, once per connection |
//! | 1 | dial | hub, per forwarded connection |
//! | 2 | exec | hub, per command or terminal |
//! | 3 | app | hub, per request about the supervised app |
//! | 4 | logs | hub, per follower |
//! | 5 | copy | hub, per `cp` |
//! | 6 | sync | hub, once per sync and connection |
//! | 7 | sync apply | hub, per batch of edits |
//! | 8 | sync fetch | hub, per batch of bodies |
//! | 9 | files | hub, per look at the target's files |
//! | 12 | sync ask | hub, per question to a replica |
//! | 13 | processes | hub, per look at the target's processes |
//! | 14 | debug | hub, per DAP connection |
//! | 15 | source | hub, per source file that is only on the target |
//! | 16 | resolve | hub, per look at a host's name |
//! | 17 | upload | hub, per debug adapter that it brings |

use minicbor::{Decode, Encode};

use crate::error::WireError;
use crate::wire::{app, control, copy, debug, exec, files, port, sync};

/// What a new stream is for.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Open {
    /// Ping, status, goodbye.
    #[n(0)]
    Control(#[n(0)] control::OpenControl),
    /// One forwarded TCP connection or UDP flow.
    #[n(1)]
    Dial(#[n(0)] port::Dial),
    /// One command or terminal.
    #[n(2)]
    Exec(#[n(0)] exec::Exec),
    /// One request about the supervised app.
    #[n(3)]
    App(#[n(0)] app::AppRequest),
    /// The supervised app's output.
    #[n(4)]
    Logs(#[n(0)] app::Logs),
    /// Files in or out, outside of any sync.
    #[n(5)]
    Copy(#[n(0)] copy::Copy),
    /// One sync's replica: everything it observes.
    #[n(6)]
    Sync(#[n(0)] sync::OpenReplica),
    /// Edits for a replica to apply.
    #[n(7)]
    SyncApply(#[n(0)] sync::OpenApply),
    /// Bodies wanted from a replica.
    #[n(8)]
    SyncFetch(#[n(0)] sync::OpenFetch),
    /// One look at the target's files, or one change of their names.
    #[n(9)]
    Files(#[n(0)] files::Files),
    /// One question to a replica.
    #[n(12)]
    SyncAsk(#[n(0)] sync::OpenAsk),
    /// The target's processes.
    #[n(13)]
    Processes(#[n(0)] debug::OpenProcesses),
    /// One debug session.
    #[n(14)]
    Debug(#[n(0)] debug::OpenDebug),
    /// One source file as a process sees it.
    #[n(15)]
    Source(#[n(0)] debug::OpenSource),
    /// The addresses of a name.
    #[n(16)]
    Resolve(#[n(0)] port::Resolve),
    /// A debug adapter for the target.
    #[n(17)]
    Upload(#[n(0)] debug::OpenUpload),
}

/// The answer to [`Open`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Opened {
    /// Go on.
    #[n(0)]
    Ok,
    /// No; the stream ends here.
    #[n(1)]
    Refused(#[n(0)] WireError),
}

/// Which streams go first when the link is full. Higher goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Priority {
    /// Scans nobody waits for.
    Audit = -20,
    /// First sync, big files, `cp`.
    Bulk = -10,
    /// Forwarded connections.
    Proxied = 0,
    /// Terminals, commands, debug sessions.
    Terminal = 10,
    /// Edits a person just made.
    Edit = 20,
    /// Ping, status, goodbye.
    Control = 30,
}
