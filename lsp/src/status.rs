//! The one value that says how a workspace is. The hub builds it; the command
//! line, editors and scripts show it. Its fields are only added to;
//! `towline status --help` tells of them.

use serde::Serialize;

use crate::config::SyncSetting;
use crate::link::LinkState;
use crate::ports::ForwardStatus;
use crate::sync::{Sync, SyncStatus};

/// Grows only; a change of meaning raises it.
pub const SCHEMA: u32 = 1;

/// Everything that is to be known of one workspace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The hub's version.
    pub version: &'static str,
    /// The hub's process.
    pub pid: u32,
    /// The canonical workspace root.
    pub workspace: String,
    /// Whether all that is wanted is there.
    pub readiness: Readiness,
    /// The target, if one is wanted.
    pub target: Option<String>,
    /// The link to its agent.
    pub link: Option<LinkState>,
    /// In the order they were asked for.
    pub syncs: Vec<SyncView>,
    /// Open ones, in the order they were opened.
    pub forwards: Vec<ForwardStatus>,
    /// The supervised app, if one is wanted.
    pub app: Option<AppStatus>,
    /// What follows edits.
    pub hooks: Vec<HookStatus>,
    /// Full sentences for people.
    pub warnings: Vec<String>,
}

/// Whether all that is wanted is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Readiness {
    /// Nothing is wanted.
    Idle,
    /// Not yet; what is waited for.
    Pending {
        /// As in `the first sync of app`.
        waiting_for: String,
    },
    /// It is.
    Ready,
    /// It will not come by itself.
    Failed {
        /// What a script decides on.
        code: FailureCode,
        /// A full sentence.
        reason: String,
        /// What to do.
        help: String,
    },
}

/// What a script decides on; each has an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// Anything without a code of its own: exit code 1.
    Failure,
    /// The command line or a file is wrong: exit code 2.
    Usage,
    /// Nothing is up here: exit code 3.
    NotUp,
    /// The target cannot be reached: exit code 4.
    Unreachable,
    /// There is no such file or name: exit code 1.
    NotFound,
    /// Conflicts, a brake or other settings stand in the way: exit code 5.
    Conflict,
}

/// A sync and what belongs to it here.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Sync"))]
pub struct SyncView {
    /// As the sync says it.
    #[serde(flatten)]
    pub status: SyncStatus,
    /// `nothing`, `restart` or `run: CMD`.
    pub on_change: String,
}

impl SyncView {
    /// How `sync` is now.
    pub fn of(setting: &SyncSetting, sync: &Sync) -> Self {
        Self { status: sync.status().borrow().clone(), on_change: setting.on_change.to_string() }
    }
}

/// The supervised app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "App"))]
pub struct AppStatus {
    /// Its command line.
    pub command: Vec<String>,
    /// How it is.
    #[serde(flatten)]
    pub state: AppState,
}

/// How the app is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AppState {
    /// It starts once the first sync is done.
    #[default]
    Waiting,
    /// It runs.
    Running {
        /// Its process there.
        pid: u32,
        /// How often it was started.
        starts: u64,
    },
    /// It ended.
    Exited {
        /// Its status, if it ended by itself.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// How often it was started.
        starts: u64,
    },
    /// It could not be started.
    Failed {
        /// Why.
        reason: String,
    },
}

impl AppState {
    /// How often it was started, as far as is known.
    pub fn starts(&self) -> u64 {
        match self {
            Self::Running { starts, .. } | Self::Exited { starts, .. } => *starts,
            Self::Waiting | Self::Failed { .. } => 0,
        }
    }
}

/// What follows edits of one sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Hook"))]
pub struct HookStatus {
    /// The sync.
    pub sync: String,
    /// `restart` or `run: CMD`.
    pub action: String,
    /// Whether it runs now.
    pub running: bool,
    /// How often it ended.
    pub runs: u64,
    /// How it failed the last time, if it did.
    pub last_error: Option<String>,
}
