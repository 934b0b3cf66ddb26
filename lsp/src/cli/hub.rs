//! The hidden `hub` command: the background process of one workspace.

use std::sync::OnceLock;

use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::interrupts::Interrupts;
use super::{output, up};
use crate::face::client::{LOCKED, READY};
use crate::face::error::FaceError;
use crate::hub::log::RotatingLog;
use crate::hub::run;
use crate::runtime::Workspace;

/// Runs the hub until `down`, a signal, or nobody needs it. Says one line on
/// standard output once it can be reached, or why it cannot.
///
/// # Errors
/// What is said on that line.
pub async fn hub(workspace: &Workspace) -> Result<(), FaceError> {
    // A session of its own: the terminal it was started from may close.
    match rustix::process::setsid() {
        Ok(_) | Err(Errno::PERM) => {} // a group's leader: started by hand
        Err(error) => tracing::warn!(%error, "unable to start a session"),
    }
    let (lock, listener) = match claim(workspace) {
        Ok(Some(claimed)) => claimed,
        Ok(None) => {
            output::line(LOCKED);
            return Ok(());
        }
        Err(error) => {
            output::line(&error.to_string());
            return Err(error);
        }
    };
    let quit = CancellationToken::new();
    let on_signal = quit.clone();
    let mut interrupts = Interrupts::new()?;
    tokio::spawn(async move {
        interrupts.next().await;
        on_signal.cancel();
    });
    output::line(READY);
    let result = run::run(workspace.clone(), listener, quit).await;
    if result.is_err() {
        let _ = std::fs::remove_file(workspace.socket()); // nobody listens there
    }
    up::release(workspace, lock);
    result.map_err(|error| {
        tracing::error!(error = crate::chain(&error), "the hub failed");
        FaceError::tried("the hub failed", &error)
    })
}

type Claimed = (std::fs::File, tokio::net::UnixListener);

fn claim(workspace: &Workspace) -> Result<Option<Claimed>, FaceError> {
    workspace.prepare()?;
    let Some(lock) = workspace.try_lock()? else { return Ok(None) };
    let listener = run::bind(workspace)?;
    log_to_file(workspace)?;
    Ok(Some((lock, listener)))
}

fn log_to_file(workspace: &Workspace) -> Result<(), FaceError> {
    static LOG: OnceLock<RotatingLog> = OnceLock::new();
    let path = workspace.log();
    let log = RotatingLog::open(&path)
        .map_err(|error| FaceError::tried(&format!("unable to open {}", path.display()), &error))?;
    let log: &'static RotatingLog = LOG.get_or_init(|| log);
    let filter = tracing_subscriber::EnvFilter::try_from_env("TOWLINE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt() // a second subscriber is refused, the first one stays
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(move || log)
        .try_init();
    Ok(())
}
