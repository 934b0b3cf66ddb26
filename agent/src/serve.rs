//! One agent's life: from the lock on its state directory to the removal of the
//! directory. The order of both is written here and nowhere else.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::io::process;
use protocol::io::quic::QuicError;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::accept::Sessions;
use crate::args::Settings;
use crate::context::Context;
use crate::null;
use crate::router::Router;
use crate::state_dir::{Lock, StateDir, StateDirError};

/// What an agent says on standard output once it listens.
pub const READY: &str = "ready";

/// How long one that ends may hold the directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);
/// How often to look.
const LOCK_EVERY: Duration = Duration::from_millis(50);
/// How often an agent looks whether its directory is still its own.
const HELD_EVERY: Duration = Duration::from_secs(10);
/// How long features may take to end what they started; then it is killed. Debuggers let
/// go of their processes first, step by step.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
/// How long hubs may take to hear of the end.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another one lives.
    #[error("another agent lives in {path:?}")]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// No directory.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The target's root is not there.
    #[error("the root {path:?} cannot be used")]
    Root {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An operation failed.
    #[error("unable to {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No keys.
    #[error(transparent)]
    Quic(#[from] QuicError),
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> ServeError {
    move |source| ServeError::Io { what, source }
}

/// The root without links on the way. /proc/PID/root has to stay as it is: what it
/// reads as would be our own root.
fn root(path: &Path) -> io::Result<PathBuf> {
    if path.starts_with("/proc") {
        return std::fs::metadata(path.join(".")).map(|_| path.to_owned());
    }
    std::fs::canonicalize(path)
}

/// Is the agent, until nobody needs it any more.
///
/// # Errors
/// See [`ServeError`]; only before [`READY`] was said.
pub async fn run(settings: Settings) -> Result<(), ServeError> {
    let _ = rustix::process::setsid(); // fails only where it is one already
    let root = root(&settings.root)
        .map_err(|source| ServeError::Root { path: settings.root.clone(), source })?;
    let (dir, lock) = lock(&settings).await?;
    let marker = marker(&dir)?;
    let context = Context {
        root,
        state_dir: settings.state_dir.clone(),
        shutdown: CancellationToken::new(),
        marker: marker.clone(),
    };
    let router = Router::new(context.clone());
    let mut instance = [0; 16];
    random(&mut instance)?;
    let sessions = Sessions::new(router.clone(), instance, settings.grace, dir.socket())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("watch for signals"))?;
    hear_signals()?;
    let listener = listen(&dir)?;
    detach(&dir)?;
    tracing::info!(pid = std::process::id(), root = ?context.root, "listening");

    tokio::select! {
        biased;
        () = context.shutdown.cancelled() => {}
        _ = terminate.recv() => tracing::info!("told to terminate"),
        () = sessions.carriers().watch(settings.grace, context.shutdown.clone()) => {}
        () = sessions.listen(listener) => {}
        () = until_lost(&dir, &lock) => tracing::warn!("somebody removed the state directory"),
    }

    context.shutdown.cancel();
    let stopping = async {
        // First of all: a process that a debugger holds cannot even end.
        router.debuggers.settled().await;
        router.app.stop_all().await;
        router.replicas.remove_traces().await;
    };
    if tokio::time::timeout(STOP_PATIENCE, stopping).await.is_err() {
        tracing::warn!("stopping takes too long");
    }
    sessions.close("the agent ends", CLOSE_PATIENCE).await;
    kill(&marker);
    if dir.holds(&lock) {
        dir.remove(); // else it is another agent's by now
        if let Some(home) = &settings.home {
            remove_home(home);
        }
    }
    drop(lock);
    Ok(())
}

/// Removes what was made for this agent alone: the directory with its binary. One
/// that the binary is not in may hold other things, which stay.
fn remove_home(home: &Path) {
    let ours = null::program().is_ok_and(|exe| exe.parent() == Some(home));
    let removed = if ours { std::fs::remove_dir_all(home) } else { std::fs::remove_dir(home) };
    if let Err(error) = removed {
        tracing::warn!(%error, ?home, "unable to remove the agent's directory");
    }
}

/// A hub that a script started in the background ignores these, and so would
/// everything that is run here: Ctrl-C in a shell did nothing. A signal that is
/// heard is at its default again in what is started.
fn hear_signals() -> Result<(), ServeError> {
    for kind in [SignalKind::interrupt(), SignalKind::quit(), SignalKind::hangup()] {
        // Heard from here on, whatever becomes of this end of it.
        drop(signal(kind).map_err(failed("watch for signals"))?);
    }
    Ok(())
}

/// Returns when the directory is not this agent's any more: then no hub finds it.
async fn until_lost(dir: &StateDir, lock: &Lock) {
    while dir.holds(lock) {
        tokio::time::sleep(HELD_EVERY).await;
    }
}

/// The directory and the right to be its agent.
async fn lock(settings: &Settings) -> Result<(StateDir, Lock), ServeError> {
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        // one that ends removes the directory, so it is made in each round
        let dir = StateDir::create(&settings.state_dir)?;
        if let Some(lock) = dir.lock_agent()? {
            return Ok((dir, lock));
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(ServeError::Taken { path: settings.state_dir.clone() });
        }
        tokio::time::sleep(LOCK_EVERY).await;
    }
}

/// Ends all that an agent with this marker started.
fn kill(marker: &str) {
    match process::kill_all(|process| process.marker() == Some(marker.as_bytes())) {
        Ok(0) => {}
        Ok(killed) => tracing::info!(killed, "ended what was left"),
        Err(error) => tracing::warn!(%error, "unable to end all that was left"),
    }
}

/// Ends what a killed agent left running, and marks what this one will start.
fn marker(dir: &StateDir) -> Result<String, ServeError> {
    if let Some(old) = dir.marker() {
        kill(&old);
    }
    let marker = process::new_marker().map_err(failed("get random bytes"))?;
    dir.write_marker(&marker)?;
    Ok(marker)
}

fn random(bytes: &mut [u8]) -> Result<(), ServeError> {
    protocol::io::random(bytes).map_err(failed("get random bytes"))
}

fn listen(dir: &StateDir) -> Result<UnixListener, ServeError> {
    let path = dir.socket();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove an earlier agent's socket")(error));
        }
        _ => {}
    }
    let listener = protocol::io::unix::bind(&path).map_err(failed("listen"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(failed("close the socket to others"))?;
    listener.set_nonblocking(true).map_err(failed("listen"))?;
    UnixListener::from_std(listener).map_err(failed("listen"))
}

/// Says [`READY`], lets go of whoever started this process, and writes to the
/// log from here on.
fn detach(dir: &StateDir) -> Result<(), ServeError> {
    let log = dir.log()?;
    let log_file = log.duplicate().map_err(failed("open the log"))?;
    let null = null::null().map_err(failed("open /dev/null"))?;
    let _ = std::env::set_current_dir("/"); // holds no file system busy
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "{READY}").and_then(|()| stdout.flush()); // nobody may listen
    let moved = rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stdout(&null))
        .and_then(|()| rustix::stdio::dup2_stderr(&log_file));
    moved.map_err(io::Error::from).map_err(failed("let go of standard streams"))?;
    let log: &'static _ = Box::leak(Box::new(log)); // once per process
    let filter = tracing_subscriber::EnvFilter::try_from_env("TOWLINE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(move || log);
    let _ = subscriber.try_init(); // a test may have one
    Ok(())
}
