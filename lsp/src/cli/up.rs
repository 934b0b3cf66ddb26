//! `up` and `down`.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::flags::{Global, Up};
use super::interrupts::Interrupts;
use super::{output, show};
use crate::config::{self, ConfigError, Settings};
use crate::face::client::Client;
use crate::face::error::FaceError;
use crate::hub::api::Request;
use crate::hub::run;
use crate::runtime::Workspace;

/// Brings the workspace up and returns when all is there.
///
/// # Errors
/// What to tell the user.
pub async fn up(
    global: &Global,
    workspace: &Workspace,
    cwd: &Path,
    up: Up,
) -> Result<(), FaceError> {
    let settings = settings_or_ask(workspace, cwd, up.clone()).await?;
    let request = Request::Up { settings, replace: up.replace };
    if up.foreground {
        return foreground(global, workspace, request).await;
    }
    // A second `up` without settings means what is up already.
    let client = match &request {
        Request::Up { settings: None, .. } => Client::connect(workspace).await?,
        _ => Client::start(workspace).await?,
    };
    let status = wait(global, client, request).await?;
    report(global, &status);
    Ok(())
}

/// Ends everything.
///
/// # Errors
/// What to tell the user.
pub async fn down(global: &Global, workspace: &Workspace) -> Result<(), FaceError> {
    let client = Client::connect(workspace).await?;
    let ended = client.down().await?;
    if global.json {
        output::json_line(&ended);
    } else {
        for text in show::list(&ended["ended"]) {
            output::line(&show::text(text));
        }
        output::line(&format!("{} is down", workspace.root.display()));
    }
    Ok(())
}

/// The target as it is kept: its flags behind its name.
fn target(up: &Up) -> Option<String> {
    let place = config::asked::Place {
        container: up.container.clone(),
        namespace: up.namespace.clone(),
        context: up.context.clone(),
        tier: up.tier.clone(),
        agent_image: up.agent_image.clone(),
        all: up.all,
    };
    up.target.as_deref().map(|target| place.behind(target))
}

/// What is asked for. When nothing is said and nothing is known, a person is asked
/// for a workload; its own ports and directory are the rest.
async fn settings_or_ask(
    workspace: &Workspace,
    cwd: &Path,
    mut up: Up,
) -> Result<Option<Settings>, FaceError> {
    let settled = settings(workspace, cwd, &up);
    if !matches!(settled, Err(ConfigError::NoTarget)) {
        return Ok(settled?);
    }
    let Some(row) = super::cluster::ask().await? else { return Ok(settled?) };
    up.target = Some(row.workload);
    if up.sync.is_empty()
        && let Some(there) = row.cwd.filter(|there| there.len() > 1)
    {
        up.sync.push(format!(".:{there}"));
    }
    if up.forward.is_empty() {
        up.forward = row.ports.iter().map(u16::to_string).collect();
    }
    let words: Vec<_> = up
        .sync
        .iter()
        .map(|sync| format!(" --sync {sync}"))
        .chain(up.forward.iter().map(|port| format!(" --forward {port}")))
        .collect();
    let target = up.target.as_deref().unwrap_or_default();
    output::note(&format!("towline up {target}{}", words.concat()));
    Ok(settings(workspace, cwd, &up)?)
}

/// What is asked for; none when nothing is said and something is up.
fn settings(workspace: &Workspace, cwd: &Path, up: &Up) -> Result<Option<Settings>, ConfigError> {
    let flags = config::Flags {
        target: target(up),
        syncs: up.sync.clone(),
        forwards: up.forward.clone(),
        command: up.command.clone(),
        cwd: up.cwd.clone(),
        on_change: up.on_change.clone(),
        strict_ports: up.strict_ports,
    };
    config::asked::wanted(workspace, cwd, &flags)
}

async fn wait(global: &Global, client: Client, request: Request) -> Result<Value, FaceError> {
    let mut progress = Progress::new(global.json);
    let result = client.ask(request, |status| progress.show(status)).await;
    progress.end();
    result
}

/// Runs the hub in this process until it is told to end, or this process is.
async fn foreground(
    global: &Global,
    workspace: &Workspace,
    request: Request,
) -> Result<(), FaceError> {
    let mut interrupts = Interrupts::new()?;
    let mut hub = Foreground::start(workspace).await?;
    let client = hub.client().await?;
    let came_up = tokio::select! {
        biased;
        () = interrupts.next() => Ok(None),
        status = wait(global, client, request) => status.map(Some),
    };
    match came_up {
        Ok(Some(status)) => {
            report(global, &status);
            if !global.json {
                output::note("Ctrl-C ends it");
            }
            tokio::select! {
                biased;
                () = interrupts.next() => {}
                () = hub.ended() => return Ok(()),
            }
        }
        Ok(None) => {}
        Err(error) => {
            hub.down().await?;
            return Err(error);
        }
    }
    let ended = hub.down().await?;
    if global.json {
        output::json_line(&ended);
    } else {
        for text in show::list(&ended["ended"]) {
            output::note(&show::text(text));
        }
    }
    Ok(())
}

/// A hub in this process.
pub struct Foreground {
    workspace: Workspace,
    hub: tokio::task::JoinHandle<()>,
}

impl Foreground {
    /// Starts it.
    ///
    /// # Errors
    /// When another hub has the workspace.
    pub async fn start(workspace: &Workspace) -> Result<Self, FaceError> {
        workspace.prepare()?;
        let Some(lock) = workspace.try_lock()? else {
            return Err(FaceError::new("a hub of this workspace runs already")
                .help("leave out --foreground, or run `towline down` first"));
        };
        let listener = run::bind(workspace)?;
        let of_hub = workspace.clone();
        let hub = tokio::spawn(async move {
            if let Err(error) = run::run(of_hub.clone(), listener, CancellationToken::new()).await {
                output::note(&format!("the hub failed: {}", crate::chain(&error)));
            }
            release(&of_hub, lock);
        });
        Ok(Self { workspace: workspace.clone(), hub })
    }

    /// A way to talk to it.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn client(&self) -> Result<Client, FaceError> {
        Client::try_connect(&self.workspace)
            .await
            .ok_or_else(|| FaceError::new("the hub ended at once"))
    }

    /// Ends it and everything it keeps up; says what was ended.
    ///
    /// # Errors
    /// The socket's.
    pub async fn down(&mut self) -> Result<Value, FaceError> {
        let Some(client) = Client::try_connect(&self.workspace).await else {
            return Ok(json!({ "schema": 1, "ended": [] }));
        };
        let ended = client.ask(Request::Down, |_| {}).await?;
        self.ended().await;
        Ok(ended)
    }

    /// Returns when it has ended.
    pub async fn ended(&mut self) {
        if !self.hub.is_finished() {
            let _ = (&mut self.hub).await; // its failure was said
        }
    }
}

/// Gives the workspace back: the lock's file goes while it is held.
pub fn release(workspace: &Workspace, lock: std::fs::File) {
    let _ = std::fs::remove_file(workspace.lock()); // gone is what we want
    drop(lock);
}

fn report(global: &Global, status: &Value) {
    if global.json {
        output::json_line(status);
        return;
    }
    for line in show::status(status) {
        output::line(&line);
    }
    if show::list(&status["syncs"]).is_empty() {
        output::note("nothing is synced: add `--sync LOCAL:/REMOTE` for that");
    }
}

/// A bar where a person looks, plain lines elsewhere, nothing for programs but
/// JSON lines.
pub struct Progress {
    bar: Option<ProgressBar>,
    last: String,
    json: bool,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new(json: bool) -> Self {
        use std::io::IsTerminal;
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{spinner} [{bar:24}] {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, last: String::new(), json }
    }

    /// Shows how it is.
    pub fn show(&mut self, status: &Value) {
        if self.json {
            output::json_line(status);
            return;
        }
        let text = show::progress(status);
        if let Some(bar) = &self.bar {
            let (mut done, mut total) = (0, 0);
            for sync in show::list(&status["syncs"]) {
                let files = show::number(&sync["files"]);
                done += files;
                total += files + show::number(&sync["pending"]);
            }
            bar.set_length(total.max(1));
            bar.set_position(done);
            bar.set_message(text);
        } else {
            // Where lines are kept, one for each step is enough.
            let step: String = text.chars().take_while(|c| !c.is_ascii_digit()).collect();
            if step != self.last {
                output::note(&text);
                self.last = step;
            }
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
