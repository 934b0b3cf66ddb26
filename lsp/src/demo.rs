//! `towline demo`: the main job on this machine, in a sandbox that goes with it.
//! A directory stands for the container, another one is the workspace.

pub mod app;
pub mod sandbox;

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::flags::{Demo, Global};
use crate::cli::interrupts::Interrupts;
use crate::cli::up::{Foreground, Progress};
use crate::cli::{output, show};
use crate::config::{AppSetting, OnChange, Settings, SyncSetting};
use crate::face::client::Client;
use crate::face::error::FaceError;
use crate::hub::api::{Reply, Request};
use crate::runtime::{Dirs, Workspace};
use crate::target::Target;
use sandbox::{PAGE, Sandbox};

/// How long an edit may take to show up before the demo calls itself broken.
const EDIT_PATIENCE: Duration = Duration::from_secs(30);

/// Longest page that is read back.
const PAGE_LEN_MAX: u64 = 1024 * 1024;

/// Runs the demo until Ctrl-C, or once.
///
/// # Errors
/// What to tell the user; the sandbox is gone then, too.
pub async fn run(global: &Global, demo: &Demo) -> Result<(), FaceError> {
    let interrupts = Interrupts::new()?;
    let sandbox =
        Sandbox::new().map_err(|error| FaceError::tried("unable to make the sandbox", &error))?;
    let workspace = Dirs::of_user()?.workspace(sandbox.workspace().to_owned());
    let settings = settings(&sandbox, demo)?;
    let mut hub = Foreground::start(&workspace).await?;
    let told = tell(global, demo, interrupts, &hub, &sandbox, &workspace, settings).await;
    // Also when it failed: nothing may stay.
    let ended = hub.down().await;
    drop(sandbox);
    told?;
    ended?;
    if !global.json {
        output::line("Everything the demo made is gone.");
    }
    Ok(())
}

fn settings(sandbox: &Sandbox, demo: &Demo) -> Result<Settings, FaceError> {
    let failed = |error: std::io::Error| FaceError::tried("unable to start the sample app", &error);
    let program = std::env::current_exe().map_err(failed)?;
    // Any port that is free now; the app says so if it was taken since.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(failed)?
        .port();
    let word = |text: &str| text.to_owned();
    Ok(Settings {
        target: Target::Local(sandbox.container().to_owned()),
        syncs: vec![SyncSetting {
            name: word("app"),
            from: sandbox.workspace().to_owned(),
            to: word("/app"),
            ignore: Vec::new(),
            include: Vec::new(),
            on_change: OnChange::Nothing,
        }],
        forwards: vec![format!("{}:{port}", demo.port)],
        app: Some(AppSetting {
            command: vec![
                program.display().to_string(),
                word("demo-app"),
                word("--port"),
                port.to_string(),
            ],
            cwd: Some(word("/app")),
            env: vec![
                (word("GREETING"), word("hello from the container's environment")),
                (word("HOSTNAME"), word("demo-container")),
            ],
        }),
        strict_ports: false,
    })
}

async fn tell(
    global: &Global,
    demo: &Demo,
    mut interrupts: Interrupts,
    hub: &Foreground,
    sandbox: &Sandbox,
    workspace: &Workspace,
    settings: Settings,
) -> Result<(), FaceError> {
    let say = |text: &str| {
        if !global.json {
            output::line(text);
        }
    };
    say(&format!("workspace  {}", sandbox.workspace().display()));
    say(&format!(
        "container  {}  (a directory that stands for one)",
        sandbox.container().display()
    ));
    let began = Instant::now();
    let request = Request::Up { settings: Some(settings), replace: false };
    let client = hub.client().await?;
    let mut progress = Progress::new(global.json);
    let came_up = tokio::select! {
        biased;
        () = interrupts.next() => None,
        status = client.ask(request, |status| progress.show(status)) => Some(status),
    };
    progress.end();
    let Some(status) = came_up else { return Ok(()) };
    let status = status?;
    say(&format!("up in {}", output::micros(micros(began.elapsed()))));
    show::status(&status)[1..].iter().for_each(|line| say(line));
    let address = show::text(&status["forwards"][0]["local"][0]);
    if demo.once {
        return tokio::select! {
            biased;
            () = interrupts.next() => Ok(()),
            result = once(global, sandbox, &address) => result,
        };
    }
    say("");
    say(&format!("Edit {}, reload http://{address}/", sandbox.workspace().join(PAGE).display()));
    say(&format!(
        "In another terminal: cd {} && towline status, exec, logs, shell",
        workspace.root.display()
    ));
    say("Ctrl-C ends the demo and removes all of it.");
    say("");
    let client = hub.client().await?;
    tokio::select! {
        biased;
        () = interrupts.next() => Ok(()),
        result = edits(global, client) => result,
    }
}

/// Shows each edit and its latency.
async fn edits(global: &Global, mut client: Client) -> Result<(), FaceError> {
    client.send(Request::Status { watch: true }).await?;
    let mut shown = None;
    loop {
        let Reply::Progress(status) = client.next().await? else { return Ok(()) };
        let sync = &status["syncs"][0];
        let applied = show::number(&sync["applied_beta"]) + show::number(&sync["applied_alpha"]);
        let fresh = applied.saturating_sub(shown.unwrap_or(applied));
        shown = Some(applied);
        let recent = show::list(&sync["recent"]);
        let fresh = recent.len().min(usize::try_from(fresh).unwrap_or(usize::MAX));
        for edit in recent[..fresh].iter().rev() {
            print_edit(global, edit);
        }
    }
}

fn print_edit(global: &Global, edit: &Value) {
    if global.json {
        output::json_line(edit);
    } else {
        output::line(&format!(
            "{} {}, visible after {}",
            show::text(&edit["path"]),
            show::text(&edit["direction"]),
            output::style(&output::micros(show::number(&edit["latency_us"])), "1;32")
        ));
    }
}

/// Edits the page and reads it back through the forward.
async fn once(global: &Global, sandbox: &Sandbox, address: &str) -> Result<(), FaceError> {
    let before = fetch_until(address, "demo-container").await?;
    let page = sandbox.workspace().join(PAGE);
    let edited = |error: std::io::Error| FaceError::tried("unable to edit the page", &error);
    let text = std::fs::read_to_string(&page).map_err(edited)?;
    let mark = "Edited by towline demo --once";
    if before.contains(mark) {
        return Err(FaceError::new("the page holds the edit before it was made"));
    }
    let began = Instant::now();
    std::fs::write(&page, text.replace("Hello from there", mark)).map_err(edited)?;
    fetch_until(address, mark).await?;
    let took_us = micros(began.elapsed());
    if global.json {
        output::json_line(&serde_json::json!({ "schema": 1, "ok": true, "edit_us": took_us }));
    } else {
        output::line(&format!(
            "OK: the edit was in http://{address}/ after {}",
            output::micros(took_us)
        ));
    }
    Ok(())
}

/// Reloads until the page holds `text`.
async fn fetch_until(address: &str, text: &str) -> Result<String, FaceError> {
    let deadline = Instant::now() + EDIT_PATIENCE;
    loop {
        let page = fetch(address).await;
        match page {
            Ok(page) if page.contains(text) => return Ok(page),
            _ if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(1)).await,
            Ok(_) => {
                return Err(FaceError::new(format!("http://{address}/ never showed `{text}`")));
            }
            Err(error) => {
                return Err(FaceError::tried(&format!("unable to load http://{address}/"), &error));
            }
        }
    }
}

async fn fetch(address: &str) -> std::io::Result<String> {
    let load = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: demo\r\n\r\n").await?;
        let mut page = String::new();
        stream.take(PAGE_LEN_MAX).read_to_string(&mut page).await?;
        Ok(page)
    };
    tokio::time::timeout(Duration::from_secs(5), load)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
