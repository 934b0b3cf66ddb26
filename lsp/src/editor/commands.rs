//! What `workspace/executeCommand` does: everything that the command line can, with the
//! same documents as answers. Each command takes one object.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::arguments::{
    FileDelete, FileRename, ForwardAdd, ForwardRemove, SyncPath, SyncResolve, SyncResume, SyncUndo,
    TargetPath, Up, Where, WhichSync,
};
use super::session::Session;
use crate::cluster::list;
use crate::config;
use crate::face::client::Client;
use crate::face::error::FaceError;
use crate::hub::api::{FilesRequest, Request, ResumeHow, SyncAction};
use crate::runtime::Workspace;

pub mod answers;
pub mod arguments;
mod cluster;
mod debug;
mod files;
mod target;

/// All of them, with what they are for.
pub const NAMES: &[(&str, &str)] = &[
    ("towline.up", "Bring the workspace up: sync, ports, app"),
    ("towline.down", "End everything and remove every trace of it"),
    ("towline.status", "Show how everything is"),
    ("towline.restart", "Restart the app"),
    ("towline.forward.list", "Show the open ports"),
    ("towline.forward.add", "Bring a port of the target to localhost"),
    ("towline.forward.remove", "Close a port"),
    ("towline.sync.list", "Show the syncs"),
    ("towline.sync.pause", "Carry nothing until it is resumed"),
    ("towline.sync.resume", "Go on after a pause or a brake"),
    ("towline.sync.wait", "Return when every edit made so far is on both sides"),
    ("towline.sync.why", "Explain what is decided for a path"),
    ("towline.sync.conflicts", "Show paths that both sides changed"),
    ("towline.sync.resolve", "End a conflict; what loses goes to the trash"),
    ("towline.sync.undo", "Bring back what was displaced last"),
    ("towline.sync.ignore", "Never sync a path"),
    ("towline.logs", "Show the app's output"),
    ("towline.exec", "Run a command beside the app"),
    ("towline.shell", "Open a shell beside the app"),
    ("towline.contexts", "Show the contexts of the kubeconfig"),
    ("towline.namespaces", "Show the namespaces of a context"),
    ("towline.list", "Show the workloads of a namespace"),
    ("towline.file.list", "Show a directory of the target"),
    ("towline.file.stat", "Show what is at a path of the target"),
    ("towline.file.read", "Read a file of the target"),
    ("towline.file.search", "Look for a text in files of the target"),
    ("towline.file.write", "Write a file of the target"),
    ("towline.file.delete", "Remove a file of the target"),
    ("towline.file.rename", "Rename a file of the target"),
    ("towline.file.mkdir", "Make a directory on the target"),
    ("towline.ports.detect", "Show what listens in the target"),
    ("towline.env", "Show the environment of the target"),
    ("towline.ps", "Show the target's processes"),
    ("towline.debug", "Tell how to attach a debugger to a process of the target"),
    ("towline.difference", "Show both contents of a file"),
    ("towline.diff", "Show the target's content of a file"),
    ("towline.open", "Open a forwarded port in the browser"),
];

/// How a command is told about, while it runs.
pub trait Progress: Send {
    /// How it is by now.
    fn tell(&mut self, status: &Value);

    /// How far it is, in words.
    fn tell_words(&mut self, words: String);
}

/// Does one that needs nothing of the editor but its arguments.
///
/// # Errors
/// What to tell the user.
pub async fn run(
    session: &Session,
    name: &str,
    argument: Value,
    progress: &mut dyn Progress,
) -> Result<Value, FaceError> {
    let workspace = &session.workspace;
    match name {
        "towline.up" => up(workspace, parsed(argument)?, progress).await,
        "towline.down" => Client::connect(workspace).await?.down().await,
        "towline.status" => status(workspace).await,
        "towline.restart" => ask(workspace, Request::Restart).await,
        "towline.forward.list" => {
            let status = status(workspace).await?;
            Ok(json!({ "schema": 1, "forwards": status["forwards"] }))
        }
        "towline.forward.add" => {
            let ForwardAdd { spec, strict } = parsed(argument)?;
            ask(workspace, Request::ForwardAdd { spec, strict }).await
        }
        "towline.forward.remove" => {
            let ForwardRemove { spec } = parsed(argument)?;
            ask(workspace, Request::ForwardRemove { spec }).await
        }
        "towline.sync.list" => {
            let status = status(workspace).await?;
            Ok(json!({ "schema": 1, "syncs": status["syncs"] }))
        }
        "towline.sync.pause" => {
            let WhichSync { name } = parsed(argument)?;
            sync(workspace, name, SyncAction::Pause).await
        }
        "towline.sync.wait" => {
            let WhichSync { name } = parsed(argument)?;
            sync(workspace, name, SyncAction::Wait).await
        }
        "towline.sync.conflicts" => {
            let WhichSync { name } = parsed(argument)?;
            sync(workspace, name, SyncAction::Conflicts).await
        }
        "towline.sync.resume" => {
            let SyncResume { name, how } = parsed(argument)?;
            sync(workspace, name, SyncAction::Resume(how.unwrap_or(ResumeHow::Plain))).await
        }
        "towline.sync.why" => {
            let SyncPath { name, path } = parsed(argument)?;
            sync(workspace, name, SyncAction::Why(plain_path(&path))).await
        }
        "towline.sync.undo" => {
            let SyncUndo { name, path } = parsed(argument)?;
            let path = path.as_deref().map(plain_path);
            sync(workspace, name, SyncAction::Undo(path)).await
        }
        "towline.sync.resolve" => {
            let SyncResolve { name, path, keep } = parsed(argument)?;
            sync(workspace, name, SyncAction::Resolve(plain_path(&path), keep)).await
        }
        "towline.logs" => target::logs(workspace, parsed(argument)?).await,
        "towline.exec" => target::exec(workspace, parsed(argument)?).await,
        "towline.ports.detect" => target::ports(session).await,
        "towline.env" => target::env(workspace, parsed(argument)?).await,
        "towline.ps" => debug::ps(workspace, parsed(argument)?).await,
        "towline.debug" => debug::hints(workspace, parsed(argument)?).await,
        "towline.contexts" => cluster::contexts(),
        "towline.namespaces" => cluster::namespaces(parsed(argument)?).await,
        "towline.list" => cluster::list(parsed(argument)?).await,
        "towline.difference" => files::difference(session, parsed(argument)?).await,
        "towline.file.read" => files::read(workspace, parsed(argument)?).await,
        "towline.file.search" => files::search(workspace, parsed(argument)?, progress).await,
        "towline.file.write" => files::write(workspace, parsed(argument)?).await,
        "towline.file.list" => files::list(workspace, parsed(argument)?).await,
        "towline.file.stat" => {
            let TargetPath { path } = parsed(argument)?;
            files::change(workspace, FilesRequest::Stat(path)).await
        }
        "towline.file.mkdir" => {
            let TargetPath { path } = parsed(argument)?;
            files::change(workspace, FilesRequest::MakeDirectory(path)).await
        }
        "towline.file.delete" => {
            let FileDelete { path, recursive } = parsed(argument)?;
            files::change(workspace, FilesRequest::Remove(path, recursive)).await
        }
        "towline.file.rename" => {
            let FileRename { from, to, overwrite } = parsed(argument)?;
            files::change(workspace, FilesRequest::Rename(from, to, overwrite)).await
        }
        _ => Err(FaceError::usage(format!("there is no command `{name}`"))),
    }
}

async fn up(
    workspace: &Workspace,
    up: Up,
    progress: &mut dyn Progress,
) -> Result<Value, FaceError> {
    let replace = up.replace;
    let flags = config::Flags {
        target: up.target.map(|target| {
            let place = config::asked::Place {
                container: up.container,
                namespace: up.namespace,
                context: up.context,
                tier: up.tier,
                agent_image: up.agent_image,
                all: up.all,
            };
            place.behind(&target)
        }),
        syncs: up.sync,
        forwards: up.forward,
        command: up.command,
        cwd: up.cwd,
        on_change: up.on_change,
        strict_ports: up.strict_ports,
    };
    let settings = config::asked::wanted(workspace, &workspace.root, &flags)?;
    let client = match &settings {
        None => Client::connect(workspace).await?,
        Some(_) => Client::start(workspace).await?,
    };
    client.ask(Request::Up { settings, replace }, |status| progress.tell(status)).await
}

/// The status; none when no hub runs.
async fn status(workspace: &Workspace) -> Result<Value, FaceError> {
    if !workspace.settings().exists() {
        return match Client::try_connect(workspace).await {
            Some(client) => client.ask(Request::Status { watch: false }, |_| {}).await,
            None => Ok(Value::Null),
        };
    }
    ask(workspace, Request::Status { watch: false }).await
}

/// A path as it is, or as a `file:` address.
pub fn plain_path(path: &str) -> String {
    let uri = path.starts_with("file:").then(|| path.parse::<lsp_types::Url>().ok()).flatten();
    let file: Option<PathBuf> = uri.and_then(|uri| uri.to_file_path().ok());
    file.and_then(|file| file.to_str().map(str::to_owned)).unwrap_or_else(|| path.to_owned())
}

async fn sync(
    workspace: &Workspace,
    name: Option<String>,
    action: SyncAction,
) -> Result<Value, FaceError> {
    ask(workspace, Request::Sync { name, action }).await
}

async fn ask(workspace: &Workspace, request: Request) -> Result<Value, FaceError> {
    Client::connect(workspace).await?.ask(request, |_| {}).await
}

/// Reads a command's one argument; none is an empty object.
///
/// # Errors
/// What is wrong with it.
pub fn parsed<T: DeserializeOwned>(argument: Value) -> Result<T, FaceError> {
    let argument = if argument.is_null() { json!({}) } else { argument };
    serde_json::from_value(argument)
        .map_err(|error| FaceError::usage(format!("the command's argument is wrong: {error}")))
}

/// The workloads there.
///
/// # Errors
/// What to tell the user.
pub async fn workloads(place: &Where) -> Result<list::List, FaceError> {
    cluster::found(place).await
}
