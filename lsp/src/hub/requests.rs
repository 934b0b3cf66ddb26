//! Requests that only pass through the hub to a sync, a forward or the app.

use std::time::Duration;

use protocol::io::connection::Connection;
use protocol::wire::app::AppRequest;
use protocol::wire::files::{Files, Search};
use serde_json::Value;

use super::api::{Failure, FilesRequest, KeepWhat, ResumeHow, SyncAction};
use super::app;
use super::event::Event;
use super::run::{Handle, Message};
use super::serve::not_up;
use crate::config::SyncSetting;
use crate::debug::map::Known;
use crate::documents;
use crate::ports::{ForwardError, ForwardSpec};
use crate::status::{FailureCode, Readiness, SyncView};
use crate::sync::{Keep, Resume, Sync, SyncError, SyncPhase};

/// Opens a forward.
///
/// # Errors
/// What to tell the user.
pub async fn forward_add(handle: &Handle, text: &str, strict: bool) -> Result<Value, Failure> {
    require_up(handle)?;
    let spec: ForwardSpec = text.parse().map_err(|error| forward_failure(&error))?;
    let forwards = handle.shared_rx.borrow().forwards.clone();
    let status = forwards.add(spec, strict).await.map_err(|error| forward_failure(&error))?;
    tell(handle, Event::ForwardAdded { spec: status.spec.clone() }).await;
    Ok(documents::of(&documents::Opened { opened: status }))
}

/// Closes a forward.
///
/// # Errors
/// What to tell the user.
pub async fn forward_remove(handle: &Handle, text: &str) -> Result<Value, Failure> {
    require_up(handle)?;
    let forwards = handle.shared_rx.borrow().forwards.clone();
    let status = forwards.remove(text).await.map_err(|error| forward_failure(&error))?;
    tell(handle, Event::ForwardRemoved { spec: status.spec.clone() }).await;
    Ok(documents::of(&documents::Closed { closed: status }))
}

/// How long the news of a restart may take to reach the status.
const NEWS_PATIENCE: Duration = Duration::from_secs(5);

/// Restarts the app.
///
/// # Errors
/// What to tell the user.
pub async fn restart(handle: &Handle, connection: &Connection) -> Result<Value, Failure> {
    let reply = app::request(connection, AppRequest::Restart).await.map_err(|reason| {
        Failure::new(FailureCode::Failure, reason)
            .help("`towline up ... -- CMD` starts an app; `towline logs` shows what it said")
    })?;
    match reply {
        protocol::wire::app::AppReply::None => {
            Err(Failure::new(FailureCode::NotUp, "no app was started here")
                .help("start one: `towline up --replace ... -- CMD`"))
        }
        reply => {
            let app = app::state_of(&reply);
            // Who asks for the status next must not be told of the run before. The news
            // are on their way on another stream.
            let mut status_rx = handle.status_rx.clone();
            let told = status_rx.wait_for(|status| {
                status.app.as_ref().is_none_or(|shown| shown.state.starts() >= app.starts())
            });
            let _ = tokio::time::timeout(NEWS_PATIENCE, told).await; // a lost link tells none
            Ok(documents::of(&documents::Restarted { app }))
        }
    }
}

/// Does something with one sync, or with all.
///
/// # Errors
/// What to tell the user.
pub async fn sync(
    handle: &Handle,
    name: Option<&str>,
    action: SyncAction,
) -> Result<Value, Failure> {
    require_up(handle)?;
    let syncs = named(handle, name)?;
    match action {
        SyncAction::Saved => {
            for sync in &syncs {
                sync.look().await.map_err(failure)?;
            }
            Ok(documents::of(&serde_json::Map::new()))
        }
        SyncAction::Pause => {
            for sync in &syncs {
                sync.pause().await.map_err(failure)?;
            }
            Ok(states(handle, name))
        }
        SyncAction::Resume(how) => {
            let how = match how {
                ResumeHow::Plain => Resume::Plain,
                ResumeHow::Delete => Resume::Delete,
                ResumeHow::Restore => Resume::Restore,
            };
            for sync in &syncs {
                sync.resume(how).await.map_err(failure)?;
            }
            Ok(states(handle, name))
        }
        SyncAction::Wait => {
            for sync in &syncs {
                sync.wait().await.map_err(conflict)?;
            }
            agreed(&syncs)?;
            Ok(states(handle, name))
        }
        SyncAction::Why(_) => {
            let (path, why) = first(&syncs, &action).await?;
            Ok(documents::of(&documents::Explained { path, why }))
        }
        SyncAction::Conflicts => {
            let mut conflicts = Vec::new();
            for sync in &syncs {
                let name = sync.status().borrow().name.clone();
                for conflict in sync.conflicts().await.map_err(failure)? {
                    conflicts.push(documents::ConflictRow {
                        sync: name.clone(),
                        path: conflict.path,
                        local: conflict.alpha,
                        target: conflict.beta,
                    });
                }
            }
            Ok(documents::of(&documents::Conflicts { conflicts }))
        }
        SyncAction::Resolve(_, keep) => {
            let (resolved, _) = first(&syncs, &action).await?;
            Ok(documents::of(&documents::Resolved { resolved, kept: keep }))
        }
        SyncAction::Undo(_) => {
            let (_, undone) = first(&syncs, &action).await?;
            Ok(documents::of(&documents::Undone { undone }))
        }
    }
}

/// Waits until every edit made before is there, in every sync that runs.
///
/// # Errors
/// What to tell the user.
pub async fn wait_all(handle: &Handle) -> Result<(), Failure> {
    for sync in named(handle, None)? {
        if sync.status().borrow().phase != SyncPhase::Paused {
            sync.wait().await.map_err(conflict)?;
        }
    }
    Ok(())
}

/// Fails while conflicts keep the sides from being equal.
fn agreed(syncs: &[Sync]) -> Result<(), Failure> {
    let conflicts: u64 = syncs.iter().map(|sync| sync.status().borrow().conflicts).sum();
    if conflicts == 0 {
        return Ok(());
    }
    let paths = if conflicts == 1 { "1 path".to_owned() } else { format!("{conflicts} paths") };
    let message = format!("everything else is in sync, but {paths} changed on both sides");
    Err(Failure::new(FailureCode::Conflict, message)
        .help("see `towline sync conflicts`; end each with `towline sync resolve`"))
}

fn named(handle: &Handle, name: Option<&str>) -> Result<Vec<Sync>, Failure> {
    let shared = handle.shared_rx.borrow();
    let wanted = |setting: &str| name.is_none_or(|name| name == setting);
    let found: Vec<Sync> = shared
        .syncs
        .iter()
        .filter(|(setting, _)| wanted(&setting.name))
        .map(|(_, sync)| sync.clone())
        .collect();
    match name {
        Some(name) if found.is_empty() => {
            let names: Vec<&str> =
                shared.syncs.iter().map(|(setting, _)| setting.name.as_str()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(Failure::new(FailureCode::Usage, format!("there is no sync `{name}`"))
                .help(format!("syncs here: {known}")))
        }
        _ => Ok(found),
    }
}

/// What the first sync that knows an answer says, behind the path as that sync has it;
/// else what the last one said.
async fn first(syncs: &[Sync], action: &SyncAction) -> Result<(String, String), Failure> {
    let mut last = Failure::new(FailureCode::Failure, "there is no sync in this workspace")
        .help("add one: `towline up --replace ... --sync .:/app`");
    for sync in syncs {
        let result = match action {
            SyncAction::Why(path) => sync.why(path).await,
            SyncAction::Resolve(path, keep) => {
                let how = match keep {
                    KeepWhat::Local => Keep::Alpha,
                    KeepWhat::Target => Keep::Beta,
                    KeepWhat::Both => Keep::Both,
                };
                sync.resolve(path, how).await.map(|()| String::new())
            }
            SyncAction::Undo(path) => sync.undo(path.as_deref()).await,
            _ => return Err(last),
        };
        match result {
            Ok(text) => {
                let path = match action {
                    SyncAction::Why(path) | SyncAction::Resolve(path, _) => path,
                    _ => return Ok((String::new(), text)),
                };
                return Ok((sync.named(path).await.map_err(failure)?, text));
            }
            Err(error) => last = failure(error),
        }
    }
    Err(last)
}

fn states(handle: &Handle, name: Option<&str>) -> Value {
    let shared = handle.shared_rx.borrow();
    let wanted = shared.syncs.iter().filter(|(of, _)| name.is_none_or(|name| name == of.name));
    let syncs = wanted.map(|(setting, sync)| SyncView::of(setting, sync)).collect();
    documents::of(&documents::Syncs { syncs })
}

fn require_up(handle: &Handle) -> Result<(), Failure> {
    match &handle.status_rx.borrow().readiness {
        Readiness::Idle => Err(not_up()),
        _ => Ok(()),
    }
}

fn failure(error: SyncError) -> Failure {
    Failure::new(FailureCode::Failure, error.to_string())
        .help("`towline sync list` and `towline sync conflicts` show how it is")
}

fn conflict(error: SyncError) -> Failure {
    Failure::new(FailureCode::Conflict, error.to_string())
        .help("look at `towline sync list` and `towline sync conflicts`")
}

fn forward_failure(error: &ForwardError) -> Failure {
    let (code, help) = match error {
        ForwardError::Malformed { .. } => (
            FailureCode::Usage,
            "write PORT, LOCAL:REMOTE, HOST:PORT or LOCAL:HOST:PORT, with /udp behind it for \
             datagrams",
        ),
        ForwardError::PortTaken { .. } => (
            FailureCode::Failure,
            "choose another local port (LOCAL:REMOTE), or leave out --strict-ports",
        ),
        ForwardError::Listen { .. } => (
            FailureCode::Failure,
            "choose another local port (LOCAL:REMOTE); ports below 1024 need a right of their own",
        ),
        ForwardError::Unknown { .. } => {
            (FailureCode::Failure, "`towline forward list` shows what is open")
        }
    };
    Failure::new(code, crate::chain(error)).help(help)
}

async fn tell(handle: &Handle, event: Event) {
    let _ = handle.message_tx.send(Message::Event(event)).await; // the hub is ending
}

/// What a debug session gets to know of this workspace.
pub fn known(handle: &Handle) -> Known {
    let status = handle.status_rx.borrow();
    let shared = handle.shared_rx.borrow();
    let sync = |(setting, _): &(SyncSetting, Sync)| {
        (setting.from.display().to_string(), setting.to.clone())
    };
    Known {
        root: status.workspace.clone().into(),
        said: Vec::new(),
        syncs: shared.syncs.iter().map(sync).collect(),
        same_machine: status.target.as_deref().is_some_and(|target| target.starts_with("local:")),
    }
}

/// As the agent is asked.
pub fn files(request: FilesRequest) -> Files {
    match request {
        FilesRequest::List(path, after) => Files::List { path, after },
        FilesRequest::Stat(path) => Files::Stat(path),
        FilesRequest::Remove(path, recursive) => Files::Remove { path, recursive },
        FilesRequest::Rename(from, to, overwrite) => Files::Rename { from, to, overwrite },
        FilesRequest::MakeDirectory(path) => Files::MakeDirectory(path),
        FilesRequest::Search { path, text, match_case, after } => {
            Files::Search(Search { path, text, match_case, after })
        }
    }
}
