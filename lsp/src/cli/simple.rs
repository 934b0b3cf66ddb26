//! Commands that ask the hub one thing and print its answer: status, forward,
//! restart, sync.

use std::ffi::OsString;

use serde_json::{Value, json};

use super::flags::{self, ForwardAction, Global};
use super::interrupts::Interrupts;
use super::{output, show};
use crate::face::client::Client;
use crate::face::error::FaceError;
use crate::hub::api::{KeepWhat, Reply, Request, ResumeHow, SyncAction};
use crate::runtime::Workspace;

/// Shows how everything is.
///
/// # Errors
/// What to tell the user.
pub async fn status(global: &Global, workspace: &Workspace, watch: bool) -> Result<(), FaceError> {
    let mut client = Client::connect(workspace).await?;
    if !watch {
        let status = client.ask(Request::Status { watch }, |_| {}).await?;
        print(global, &status, show::status);
        return Ok(());
    }
    client.send(Request::Status { watch }).await?;
    let screen = !global.json && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let mut last = Vec::new();
    let mut interrupts = Interrupts::new()?;
    loop {
        let reply = tokio::select! {
            biased;
            () = interrupts.next() => return Ok(()),
            reply = client.next() => reply?,
        };
        let Reply::Progress(status) = reply else { return Ok(()) };
        if global.json {
            output::json_line(&status);
            continue;
        }
        let lines = show::status(&status);
        if screen {
            // Home, then each line with what was behind it erased, then the rest.
            let body: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
            output::line(&format!("\x1b[H\x1b[2J{body}\x1b[J"));
        } else if lines != last {
            lines.iter().for_each(|line| output::line(line));
        }
        last = lines;
    }
}

/// Opens, closes and lists forwards.
///
/// # Errors
/// What to tell the user.
pub async fn forward(
    global: &Global,
    workspace: &Workspace,
    forward: flags::Forward,
) -> Result<(), FaceError> {
    match forward.action.unwrap_or(ForwardAction::Add(forward.add)) {
        ForwardAction::Add(add) => {
            for spec in add.specs {
                let request = Request::ForwardAdd { spec, strict: add.strict_ports };
                let opened = ask(workspace, request).await?;
                print(global, &opened, |value| vec![show::forward_line(&value["opened"])]);
            }
        }
        ForwardAction::Remove { specs } => {
            for spec in specs {
                let closed = ask(workspace, Request::ForwardRemove { spec }).await?;
                print(global, &closed, |value| {
                    vec![format!("closed {}", show::text(&value["closed"]["spec"]))]
                });
            }
        }
        ForwardAction::List => {
            let status = ask(workspace, Request::Status { watch: false }).await?;
            let forwards = json!({ "schema": 1, "forwards": status["forwards"] });
            print(global, &forwards, show::forwards);
        }
    }
    Ok(())
}

/// Restarts the app.
///
/// # Errors
/// What to tell the user.
pub async fn restart(global: &Global, workspace: &Workspace) -> Result<(), FaceError> {
    let value = ask(workspace, Request::Restart).await?;
    print(global, &value, |value| vec![format!("app{}", show::app(&value["app"]))]);
    Ok(())
}

/// Looks at syncs and decides for them.
///
/// # Errors
/// What to tell the user.
pub async fn sync(
    global: &Global,
    workspace: &Workspace,
    command: flags::SyncCommand,
) -> Result<(), FaceError> {
    let name = command.name;
    let action = match command.action {
        flags::SyncAction::List => {
            let mut status = ask(workspace, Request::Status { watch: false }).await?;
            let mut syncs = status["syncs"].take();
            if let (Some(name), Some(list)) = (&name, syncs.as_array_mut()) {
                list.retain(|sync| sync["name"] == *name.as_str());
            }
            print(global, &json!({ "schema": 1, "syncs": syncs }), sync_lines);
            return Ok(());
        }
        flags::SyncAction::Pause => SyncAction::Pause,
        flags::SyncAction::Resume { delete: true, .. } => SyncAction::Resume(ResumeHow::Delete),
        flags::SyncAction::Resume { restore: true, .. } => SyncAction::Resume(ResumeHow::Restore),
        flags::SyncAction::Resume { .. } => SyncAction::Resume(ResumeHow::Plain),
        flags::SyncAction::Wait => SyncAction::Wait,
        flags::SyncAction::Why { path } => SyncAction::Why(text_of(path)),
        flags::SyncAction::Conflicts => SyncAction::Conflicts,
        flags::SyncAction::Resolve { path, keep } => {
            let keep = match keep {
                flags::Keep::Local => KeepWhat::Local,
                flags::Keep::Target => KeepWhat::Target,
                flags::Keep::Both => KeepWhat::Both,
            };
            SyncAction::Resolve(text_of(path), keep)
        }
        flags::SyncAction::Undo { path } => SyncAction::Undo(path.map(text_of)),
    };
    let lines: fn(&Value) -> Vec<String> = match action {
        SyncAction::Why(_) => |value| vec![show::text(&value["why"])],
        SyncAction::Undo(_) => |value| vec![show::text(&value["undone"])],
        SyncAction::Resolve(..) => |value| {
            let kept = show::text(&value["kept"]);
            vec![format!("{}: kept {kept}", show::text(&value["resolved"]))]
        },
        SyncAction::Conflicts => conflict_lines,
        SyncAction::Pause | SyncAction::Resume(_) | SyncAction::Wait | SyncAction::Saved => {
            sync_lines
        }
    };
    let value = ask(workspace, Request::Sync { name, action }).await?;
    print(global, &value, lines);
    Ok(())
}

/// A path as the hub takes it; one that is no text the way that it is shown.
fn text_of(path: OsString) -> String {
    path.into_string().unwrap_or_else(|path| protocol::path::shown(path.as_encoded_bytes()))
}

async fn ask(workspace: &Workspace, request: Request) -> Result<Value, FaceError> {
    Client::connect(workspace).await?.ask(request, |_| {}).await
}

fn print(global: &Global, value: &Value, lines: impl Fn(&Value) -> Vec<String>) {
    if global.json {
        output::json_line(value);
    } else {
        lines(value).iter().for_each(|line| output::line(line));
    }
}

fn sync_lines(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for sync in show::list(&value["syncs"]) {
        lines.push(format!("{}  {}", show::text(&sync["name"]), show::sync_phase(sync)));
        lines.push(format!(
            "  {} ⇄ {}, {} to the target, {} from it",
            show::text(&sync["alpha"]),
            show::text(&sync["beta"]),
            output::count(show::number(&sync["applied_beta"]), "edit"),
            show::number(&sync["applied_alpha"])
        ));
        for problem in show::list(&sync["problems"]) {
            lines.push(format!("  {}: {}", show::text(&problem[0]), show::text(&problem[1])));
        }
        for text in show::list(&sync["degraded"]) {
            lines.push(format!("  {}", show::text(text)));
        }
        for edit in show::list(&sync["recent"]) {
            lines.push(edit_line(edit));
        }
    }
    if lines.is_empty() {
        lines.push("no syncs".to_owned());
    }
    lines
}

/// One carried edit.
pub fn edit_line(edit: &Value) -> String {
    format!(
        "  {} {} in {}",
        show::text(&edit["path"]),
        show::text(&edit["direction"]),
        output::micros(show::number(&edit["latency_us"]))
    )
}

fn conflict_lines(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for conflict in show::list(&value["conflicts"]) {
        lines.push(format!(
            "{}: {} here, {} there",
            show::text(&conflict["path"]),
            show::text(&conflict["local"]),
            show::text(&conflict["target"])
        ));
    }
    if lines.is_empty() {
        lines.push("no conflicts".to_owned());
    } else {
        lines.push("end one: towline sync resolve PATH --keep local|target|both".to_owned());
    }
    lines
}
