//! Everything a hub can be told to do.

use super::event::RequestId;
use super::persist::Persisted;
use crate::config::{AppSetting, OnChange, SyncSetting};
use crate::target::Target;

/// Everything a hub can be told to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write down what is wanted, so that the next hub goes on.
    Persist(Persisted),
    /// Nothing is wanted any more.
    Unpersist,
    /// Reach the target.
    StartLink(Target),
    /// Wait until the target can be told of an end, or cannot be reached.
    AwaitLink,
    /// Leave it.
    StopLink(Leave),
    /// Begin a sync.
    StartSync(SyncSetting),
    /// End one.
    StopSync {
        /// Which.
        name: String,
        /// What stays.
        leave: Leave,
    },
    /// Open a port.
    OpenForward {
        /// As the user writes it.
        spec: String,
        /// Whether a taken local port is an error.
        strict: bool,
    },
    /// Close one.
    CloseForward {
        /// Its spec.
        spec: String,
    },
    /// Run the app, unless the same one runs.
    LaunchApp(AppSetting),
    /// Stop it.
    StopApp,
    /// Do what follows an edit, and say when it is done.
    RunHook {
        /// Of which sync.
        name: String,
        /// What.
        action: OnChange,
    },
    /// Answer a face.
    Answer {
        /// Which.
        id: RequestId,
        /// With what.
        answer: Answer,
    },
    /// End the process.
    Exit,
}

/// What stays when something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Everything, for the next hub.
    All,
    /// Nothing, on either side.
    Nothing,
}

/// The answer to a face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is being kept up.
    Accepted,
    /// Something else is up: the differences, a line each.
    Differs(Vec<String>),
    /// Nothing is up.
    NotUp,
    /// Everything ended.
    Ended,
}
