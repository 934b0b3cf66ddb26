//! What each command takes: one object, whose keys are the names of the flags. A key that
//! a command cannot do without is no option here.

use serde::Deserialize;

use crate::hub::api::{KeepWhat, ResumeHow};

/// What `up` takes; what is left out is what `towline.yaml` says.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Up {
    /// A workload, as in `deploy/api`, or `local:DIR`.
    pub target: Option<String>,
    /// The workload's container.
    pub container: Option<String>,
    /// The workload's namespace.
    pub namespace: Option<String>,
    /// The kubeconfig's context.
    pub context: Option<String>,
    /// `exec` or `ephemeral`.
    pub tier: Option<String>,
    /// The image of ephemeral containers.
    pub agent_image: Option<String>,
    /// Sync to every pod of the workload.
    pub all: bool,
    /// `LOCAL:/REMOTE`, each.
    pub sync: Vec<String>,
    /// `PORT`, `LOCAL:REMOTE`, `HOST:PORT` or `LOCAL:HOST:PORT`, each.
    pub forward: Vec<String>,
    /// The app to run there.
    pub command: Vec<String>,
    /// The app's directory, as the target names it.
    pub cwd: Option<String>,
    /// `restart`, `nothing` or `run: CMD`, after each batch of edits.
    pub on_change: Option<String>,
    /// Whether a taken local port is an error.
    pub strict_ports: bool,
    /// Change what is up to this.
    pub replace: bool,
}

/// A port to bring to localhost.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ForwardAdd {
    /// As the command line takes it.
    pub spec: String,
    /// Whether a taken local port is an error.
    #[serde(default)]
    pub strict: bool,
}

/// A port to close.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ForwardRemove {
    /// As it was asked for, or its local port.
    pub spec: String,
}

/// One sync, or all of them.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct WhichSync {
    /// Its name.
    pub name: Option<String>,
}

/// How to go on.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct SyncResume {
    /// The sync's name; none for all.
    pub name: Option<String>,
    /// After a brake: what of the deletions; else `plain`.
    pub how: Option<ResumeHow>,
}

/// A path in a sync.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SyncPath {
    /// The sync's name; none for the one that knows the path.
    pub name: Option<String>,
    /// Below the sync's root, absolute, or a `file:` address.
    pub path: String,
}

/// A conflict to end.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SyncResolve {
    /// The sync's name; none for the one that knows the path.
    pub name: Option<String>,
    /// Below the sync's root, absolute, or a `file:` address.
    pub path: String,
    /// Whose content stays.
    pub keep: KeepWhat,
}

/// What to bring back.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct SyncUndo {
    /// The sync's name; none for the first that has something.
    pub name: Option<String>,
    /// Only at this path.
    pub path: Option<String>,
}

/// A file of the workspace: a path in it, an absolute one, or a `file:` address.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LocalPath {
    /// Which.
    pub path: String,
}

/// A path as the target names it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TargetPath {
    /// Which.
    pub path: String,
}

/// What to remove of the target's files.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileDelete {
    /// Which.
    pub path: String,
    /// A directory with all that is in it.
    #[serde(default)]
    pub recursive: bool,
}

/// Another name for a file of the target.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileRename {
    /// What.
    pub from: String,
    /// Its new name.
    pub to: String,
    /// Though that name is taken.
    #[serde(default)]
    pub overwrite: bool,
}

/// A file of the target, whole.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileWrite {
    /// Which.
    pub path: String,
    /// Its content.
    pub base64: String,
    /// Though it is not there yet.
    #[serde(default)]
    pub create: bool,
    /// Though it is there.
    #[serde(default)]
    pub overwrite: bool,
}

/// A text to look for in the target's files.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileSearch {
    /// A directory or a file, as the target names it.
    pub path: String,
    /// What to look for in each line, as it is.
    pub text: String,
    /// Whether `a` is another letter than `A`.
    #[serde(default)]
    pub match_case: bool,
}

/// A command to run beside the app.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Exec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where, as the target names it.
    #[serde(default)]
    pub cwd: Option<String>,
}

/// How much of the app's output.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Logs {
    /// The last so many lines.
    pub tail: Option<u32>,
}

/// A variable of the target's environment, or all of them.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Env {
    /// Its name; who names one gets its value, be it a secret or not.
    pub name: Option<String>,
}

/// A namespace of a cluster.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Where {
    /// The kubeconfig's context; none for the current one.
    pub context: Option<String>,
    /// None for the context's own.
    pub namespace: Option<String>,
}

/// An address to open.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Open {
    /// Where.
    pub url: String,
}

/// Which processes of the target.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Ps {
    /// Also those that are none of the target's.
    pub all: bool,
}

/// A process to attach a debugger to.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DebugWhat {
    /// Its name or its id; else the app, or the only one.
    pub process: Option<String>,
}
