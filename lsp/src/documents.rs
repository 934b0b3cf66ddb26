//! The documents that commands answer with: what `--json` prints and editors get. The
//! status, which is most of them, has a file of its own. Fields are only added.

use serde::Serialize;
use serde_json::{Value, json};

use crate::hub::api::KeepWhat;
use crate::ports::ForwardStatus;
use crate::status::{AppState, SCHEMA, SyncView};

/// A document with the number of its schema.
pub fn of(body: &impl Serialize) -> Value {
    let mut document = json!(body);
    document["schema"] = json!(SCHEMA);
    document
}

/// Of `down`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ended {
    /// What is no more, a sentence each.
    pub ended: Vec<String>,
}

/// Of `restart`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Restarted {
    /// How the app is now.
    pub app: AppState,
}

/// Of `forward add`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Opened {
    /// The forward.
    pub opened: ForwardStatus,
}

/// Of `forward remove`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Closed {
    /// The forward that was open.
    pub closed: ForwardStatus,
}

/// Of `sync list`, `pause`, `resume` and `wait`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Syncs {
    /// The syncs that were meant.
    pub syncs: Vec<SyncView>,
}

/// Of `sync why`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explained {
    /// As it was asked for.
    pub path: String,
    /// What is decided for it.
    pub why: String,
}

/// Of `sync conflicts`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conflicts {
    /// All of them.
    pub conflicts: Vec<ConflictRow>,
}

/// A path that both sides changed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConflictRow {
    /// The sync.
    pub sync: String,
    /// Below its root.
    pub path: String,
    /// What happened here: `edited`, `deleted`, `made a directory`.
    pub local: String,
    /// What happened there.
    pub target: String,
}

/// Of `sync resolve`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Resolved {
    /// As it was asked for.
    pub resolved: String,
    /// Whose content stays.
    pub kept: KeepWhat,
}

/// Of `sync undo`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Undone {
    /// What is back.
    pub undone: String,
}
