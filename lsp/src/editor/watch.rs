//! Follows the workspace's hub for as long as the editor is there: its status, the
//! conflicts with both contents, the app's output. A hub that was killed while it kept
//! something up is started again, as any command would.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use protocol::io::framed;
use protocol::path::typed;
use protocol::wire::app::{LogLine, LogSource};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};

use super::facts::{Conflict, Facts, uri_of};
use super::problems::{Problem, Reader, Teller};
use super::session::Input;
use crate::face::client::Client;
use crate::face::error::FaceError;
use crate::face::stream;
use crate::hub::api::{Reply, Request, SyncAction};
use crate::remote::files;
use crate::runtime::Workspace;

/// Pause after a hub that could not be reached, doubled up to the longest: one that is
/// starting has its socket before it listens.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Conflicts whose contents are compared; of the others only the file is shown.
const COMPARED_MAX: usize = 50;
/// Longest text that is compared, in bytes.
const COMPARED_LEN_MAX: usize = 1024 * 1024;

/// Lines of the log that a new follower reads of what was before.
const LOG_TAIL: u32 = 500;
/// Problems kept of one run; who has more looks at the first ones first.
const PROBLEMS_MAX: usize = 200;

/// Follows the hub until the session is gone.
pub async fn follow(workspace: Workspace, input_tx: mpsc::Sender<Input>) {
    let appeared = Arc::new(Notify::new());
    // Held: it ends with its last holder.
    let _watcher = watch_sockets(&workspace, appeared.clone());
    let (log_tx, log_rx) = watch::channel(None);
    let logs = follow_logs(workspace.clone(), log_rx, input_tx.clone());
    let logs = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(logs));
    let mut pause = PAUSE_MIN;
    while !input_tx.is_closed() {
        match reach(&workspace).await {
            Ok(Some(client)) => {
                if hub(client, &workspace, &input_tx, &log_tx).await {
                    pause = PAUSE_MIN;
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the hub cannot be reached"),
        }
        log_tx.send_replace(None);
        if input_tx.send(Input::Status(None, Vec::new())).await.is_err() {
            break;
        }
        let is_wanted = workspace.settings().exists() || workspace.socket().exists();
        tokio::select! {
            () = appeared.notified() => pause = PAUSE_MIN,
            () = input_tx.closed() => {}
            () = tokio::time::sleep(pause), if is_wanted => pause = (pause * 2).min(PAUSE_MAX),
        }
    }
    drop(logs);
}

/// Tells when something happens where hubs listen.
fn watch_sockets(workspace: &Workspace, appeared: Arc<Notify>) -> Option<impl Watcher + use<>> {
    let socket = workspace.socket();
    let folder = socket.parent()?.to_owned();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.contains(&socket)) {
            appeared.notify_one();
        }
    });
    let watched = watcher.and_then(|mut watcher| {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watched.inspect_err(|error| tracing::warn!(%error, "a new hub goes unnoticed")).ok()
}

/// The hub, if one runs or something is to be up.
async fn reach(workspace: &Workspace) -> Result<Option<Client>, FaceError> {
    if workspace.settings().exists() {
        return Client::connect(workspace).await.map(Some);
    }
    Ok(Client::try_connect(workspace).await)
}

/// Follows one hub to its end; whether it ever answered.
async fn hub(
    mut client: Client,
    workspace: &Workspace,
    input_tx: &mpsc::Sender<Input>,
    log_tx: &watch::Sender<Option<u64>>,
) -> bool {
    if client.send(Request::Follow).await.is_err() {
        return false;
    }
    let mut answered = false;
    loop {
        let status = match client.next().await {
            Ok(Reply::Progress(status)) => status,
            Ok(_) => return answered,
            Err(error) => {
                tracing::debug!(%error, "the hub went");
                return answered;
            }
        };
        answered = true;
        let mut facts = Facts::default();
        facts.told(Some(status.clone()));
        let is_linked = facts.status.link.as_ref().is_some_and(|link| link.state == "up");
        let speaks = facts.status.app.is_some() || !facts.status.hooks.is_empty();
        let pid = status["pid"].as_u64();
        log_tx.send_if_modified(|now| {
            let next = pid.filter(|_| is_linked && speaks);
            std::mem::replace(now, next) != next
        });
        let conflicts = if facts.status.syncs.iter().any(|sync| sync.conflicts > 0) {
            conflicts_of(workspace, &facts).await
        } else {
            Vec::new()
        };
        if input_tx.send(Input::Status(Some(status), conflicts)).await.is_err() {
            return answered;
        }
    }
}

/// The conflicts as they are now, with what both sides have.
async fn conflicts_of(workspace: &Workspace, facts: &Facts) -> Vec<Conflict> {
    let request = Request::Sync { name: None, action: SyncAction::Conflicts };
    let told = match Client::connect(workspace).await {
        Ok(client) => client.ask(request, |_| {}).await.unwrap_or_default(),
        Err(_) => Value::Null, // it is told of by the status
    };
    let mut conflicts = Vec::new();
    for row in told["conflicts"].as_array().into_iter().flatten() {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let (name, path) = (text("sync"), text("path"));
        let Some(sync) = facts.status.syncs.iter().find(|sync| sync.name == name) else {
            continue;
        };
        let file = Path::new(&sync.alpha).join(bytes_path(&typed(&path)));
        let Some(uri) = uri_of(&file) else { continue };
        let remote = format!("{}/{path}", sync.beta.trim_end_matches('/'));
        let (ours, theirs) = if conflicts.len() < COMPARED_MAX {
            (local(&file).await, target_text(workspace, &remote).await.ok())
        } else {
            (None, None)
        };
        let (local, target) = (text("local"), text("target"));
        conflicts.push(Conflict { sync: name, path, local, target, uri, remote, ours, theirs });
    }
    conflicts
}

fn bytes_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

async fn local(file: &Path) -> Option<String> {
    let len = tokio::fs::metadata(file).await.ok()?.len();
    if len > COMPARED_LEN_MAX as u64 {
        return None;
    }
    tokio::fs::read_to_string(file).await.ok()
}

/// The target's file as text.
///
/// # Errors
/// When it cannot be read, or is no text that an editor would show.
pub async fn target_text(workspace: &Workspace, remote: &str) -> Result<String, FaceError> {
    let request = Request::CopyOut { path: remote.to_owned() };
    let (rx, _tx) = stream::open(workspace, request).await?;
    let tried = format!("unable to read `{remote}` of the target");
    let bytes = files::read(rx).await.map_err(|error| FaceError::tried(&tried, &error))?;
    if bytes.len() > COMPARED_LEN_MAX {
        return Err(FaceError::new(format!("{tried}: it is too long to be compared")));
    }
    String::from_utf8(bytes).map_err(|_| FaceError::new(format!("{tried}: it is no text")))
}

/// Reads the app's output for problems, while there is one: the watched value names the
/// hub whose link is up.
async fn follow_logs(
    workspace: Workspace,
    mut log_rx: watch::Receiver<Option<u64>>,
    input_tx: mpsc::Sender<Input>,
) {
    loop {
        if log_rx.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let known = *log_rx.borrow_and_update();
        let read = tokio::select! {
            () = read_log(&workspace, &input_tx) => true,
            _ = log_rx.wait_for(|now| *now != known) => false,
        };
        // It ended with the link, or it was refused: not again before there is news.
        if read && log_rx.changed().await.is_err() {
            return;
        }
    }
}

async fn read_log(workspace: &Workspace, input_tx: &mpsc::Sender<Input>) {
    let request = Request::Logs { tail: Some(LOG_TAIL), follow: true };
    let Ok((mut rx, _tx)) = stream::open(workspace, request).await else { return };
    let mut log = Log::default();
    while let Ok(Some(line)) = framed::read_optional::<LogLine>(&mut rx).await {
        if log.line(&line) && input_tx.send(Input::Problems(log.problems())).await.is_err() {
            return;
        }
    }
}

/// What the output told of so far.
struct Log {
    app: Told,
    /// The app's errors go beside its output, each a text of its own.
    errors: Reader,
    hook: Told,
}

struct Told {
    reader: Reader,
    problems: Vec<Problem>,
}

impl Told {
    fn new(teller: Teller) -> Self {
        Self { reader: Reader::new(teller), problems: Vec::new() }
    }

    fn add(&mut self, found: Vec<Problem>) -> bool {
        let room = PROBLEMS_MAX - self.problems.len().min(PROBLEMS_MAX);
        let more = !found.is_empty() && room > 0;
        self.problems.extend(found.into_iter().take(room));
        more
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            app: Told::new(Teller::App),
            errors: Reader::new(Teller::App),
            hook: Told::new(Teller::Hook),
        }
    }
}

impl Log {
    /// Whether the problems are others than before.
    fn line(&mut self, line: &LogLine) -> bool {
        let text = String::from_utf8_lossy(&line.text);
        match line.source {
            LogSource::Stdout => {
                let found = self.app.reader.line(&text);
                self.app.add(found)
            }
            LogSource::Stderr => self.app.add(self.errors.line(&text)),
            LogSource::Hook => {
                let found = self.hook.reader.line(&text);
                self.hook.add(found)
            }
            // A new run makes what the last one told void.
            LogSource::Agent if text.starts_with("started ") => {
                let had = !self.app.problems.is_empty();
                (self.app, self.errors) = (Told::new(Teller::App), Reader::new(Teller::App));
                had
            }
            LogSource::Agent if text.starts_with("running the hook ") => {
                let had = !self.hook.problems.is_empty();
                self.hook = Told::new(Teller::Hook);
                had
            }
            LogSource::Agent => false,
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.app.problems.iter().chain(&self.hook.problems).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_run_makes_the_last_ones_problems_void() {
        let mut log = Log::default();
        let mut say = |source, text: &str| {
            let line = LogLine { at_us: 0, source, text: text.as_bytes().to_vec() };
            let changed = log.line(&line);
            (changed, log.problems().len())
        };
        assert_eq!(say(LogSource::Hook, "a.c:1:1: error: x"), (true, 1));
        assert_eq!(say(LogSource::Stderr, "panic: boom"), (false, 1));
        assert_eq!(say(LogSource::Stderr, "\t/app/a.go:7 +0x1"), (true, 2));
        assert_eq!(say(LogSource::Stdout, "all is well"), (false, 2));
        assert_eq!(say(LogSource::Agent, "running the hook make"), (true, 1));
        assert_eq!(say(LogSource::Agent, "started app (process 7)"), (true, 0));
        assert_eq!(say(LogSource::Agent, "started app (process 8)"), (false, 0));
    }
}
