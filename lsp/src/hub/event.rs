//! Everything that can happen to a hub.

use crate::config::Settings;
use crate::status::AppState;

/// A request that waits for an answer.
pub type RequestId = u64;

/// Everything that can happen to a hub; handled in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A face wants this to be up.
    Up {
        /// Who to answer.
        id: RequestId,
        /// What; none for what is up already.
        settings: Option<Box<Settings>>,
        /// Also when something else is up.
        replace: bool,
    },
    /// A face wants everything to end.
    Down {
        /// Who to answer.
        id: RequestId,
    },
    /// The process is asked to go, not to undo anything.
    Quit,
    /// A face connected.
    ClientCame,
    /// A face went.
    ClientLeft,
    /// The link changed.
    Link(LinkEvent),
    /// A sync changed.
    Sync {
        /// Which.
        name: String,
        /// How it is.
        phase: SyncEvent,
    },
    /// Edits became visible on the target.
    Batch {
        /// Of which sync.
        name: String,
    },
    /// A hook ran to its end.
    HookEnded {
        /// Of which sync.
        name: String,
        /// Why it failed.
        result: Result<(), String>,
    },
    /// The app changed.
    App(AppState),
    /// Syncs with other pods of the workload began or ended, by their names.
    Others {
        /// Those that began.
        came: Vec<String>,
        /// Those that ended.
        went: Vec<String>,
    },
    /// Another pod of the workload cannot be reached.
    OtherFailed {
        /// Which.
        pod: String,
        /// Why: a full sentence.
        reason: String,
    },
    /// A forward is open or not.
    Forward {
        /// Which.
        spec: String,
        /// Why not.
        result: Result<(), String>,
    },
    /// A face opened a forward.
    ForwardAdded {
        /// Which.
        spec: String,
    },
    /// A face closed one.
    ForwardRemoved {
        /// Which.
        spec: String,
    },
    /// A deadline of [`poll_timeout`](super::state::State::poll_timeout) is over.
    Tick,
}

/// What became of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// A connection to an agent that was not there before.
    Connected,
    /// The carrier is being opened, or again.
    Waiting,
    /// Given up.
    Down {
        /// A full sentence.
        reason: String,
    },
}

/// What became of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncEvent {
    /// Work is left.
    Busy,
    /// All is there, or the user wants it so.
    InSync,
    /// It waits for the user.
    Stuck {
        /// A full sentence.
        reason: String,
    },
}
