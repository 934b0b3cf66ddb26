//! `ps`, `debug` and `dap`: the target's processes, how to attach to one, and the debug
//! adapter that an editor starts.

use std::time::Duration;

use protocol::dap::codec::{Decoder, encode};
use protocol::dap::message::{Message, Request as DapRequest};
use protocol::limits::DEBUG_LEASE;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::flags::{Dap, DebugHow, Global};
use super::output;
use crate::debug::session::Wanted;
use crate::debug::{hints, map, processes};
use crate::face::error::FaceError;
use crate::face::stream;
use crate::hub::api::Request;
use crate::runtime::Workspace;
use crate::status::FailureCode;

/// Shows the target's processes.
///
/// # Errors
/// What to tell the user.
pub async fn ps(global: &Global, workspace: &Workspace, all: bool) -> Result<(), FaceError> {
    let document = processes::document(&crate::face::debug::list(workspace, all).await?);
    if global.json {
        output::json_line(&document);
        return Ok(());
    }
    let rows = processes::table(&document);
    if rows.len() == 1 {
        output::line("no processes; `towline ps --all` shows those that are none of the target's");
        return Ok(());
    }
    output::table(&rows).iter().for_each(|line| output::line(line));
    Ok(())
}

/// Tells how to attach to a process.
///
/// # Errors
/// What to tell the user.
pub async fn tell(
    global: &Global,
    workspace: &Workspace,
    process: Option<String>,
    how: &DebugHow,
) -> Result<(), FaceError> {
    wanted(workspace, process.clone(), how)?; // wrong flags are told now
    let document = crate::face::debug::hints(workspace, process.as_deref()).await?;
    if global.json {
        output::json_line(&document);
    } else {
        hints::lines(&document).iter().for_each(|line| output::line(line));
    }
    Ok(())
}

/// Is a debug adapter.
///
/// # Errors
/// What to tell the user.
pub async fn dap(global: &Global, workspace: &Workspace, dap: Dap) -> Result<u8, FaceError> {
    let wanted = wanted(workspace, dap.process, &dap.how)?;
    if let Some(port) = dap.listen {
        return listen(global, workspace, wanted, port).await;
    }
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    session(workspace, wanted, stdin, stdout).await?;
    Ok(0)
}

fn wanted(
    workspace: &Workspace,
    process: Option<String>,
    how: &DebugHow,
) -> Result<Wanted, FaceError> {
    let wrong = |text: &str, help: &str| FaceError::usage(text).help(help);
    let lease = Duration::try_from_secs_f32(how.lease).ok().filter(|lease| !lease.is_zero());
    let longest = 120 * DEBUG_LEASE;
    let lease = lease.filter(|lease| *lease <= longest).ok_or_else(|| {
        wrong("the lease is no number of seconds that can be waited for", "from 0.1 to 3600")
    })?;
    let base = std::env::current_dir().unwrap_or_else(|_| workspace.root.clone());
    let flags = how.map.iter().map(|text| map::parse(text, &base));
    let mut maps = flags.collect::<Result<Vec<_>, _>>().map_err(FaceError::usage)?;
    maps.extend(crate::face::debug::configured(workspace)?);
    Ok(Wanted { process, lease, adapter: how.adapter.clone(), maps, evaluate: !how.no_evaluate })
}

async fn listen(
    global: &Global,
    workspace: &Workspace,
    wanted: Wanted,
    port: u16,
) -> Result<u8, FaceError> {
    let failed = |error: &std::io::Error| FaceError::tried("unable to listen", error);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|e| failed(&e))?;
    let address = listener.local_addr().map_err(|e| failed(&e))?;
    if global.json {
        let value = serde_json::json!({ "schema": 1, "listening": address.to_string() });
        output::json_line(&value);
    } else {
        output::line(&format!("listening on {address}"));
    }
    let sessions = TaskTracker::new();
    let mut interrupts = super::interrupts::Interrupts::new()?;
    loop {
        let accepted = tokio::select! {
            biased;
            () = interrupts.next() => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, _) = accepted.map_err(|error| failed(&error))?;
        let _ = tcp.set_nodelay(true); // slower without, but right
        let (workspace, wanted) = (workspace.clone(), wanted.clone());
        sessions.spawn(async move {
            let (rx, tx) = tcp.into_split();
            if let Err(error) = session(&workspace, wanted, rx, tx).await {
                output::note(&format!("a debug session ended: {error}"));
            }
        });
    }
    Ok(0)
}

/// Joins an editor to the hub's session.
async fn session(
    workspace: &Workspace,
    wanted: Wanted,
    mut editor_rx: impl AsyncRead + Unpin,
    mut editor_tx: impl AsyncWrite + Unpin,
) -> Result<(), FaceError> {
    let (mut rx, mut tx) = match stream::open(workspace, Request::Debug(wanted)).await {
        Ok(stream) => stream,
        Err(FaceError(mut failure)) => {
            if !matches!(failure.code, FailureCode::NotUp | FailureCode::Unreachable) {
                failure.help = Some("`towline ps` shows each process and what it needs".to_owned());
            }
            let error = FaceError(failure);
            refuse(&error, &mut editor_rx, &mut editor_tx).await;
            return Err(error);
        }
    };
    let to_hub = async {
        let _ = tokio::io::copy(&mut editor_rx, &mut tx).await; // cut is as good as ended
        let _ = tx.shutdown().await; // the hub sees that the editor is gone
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        copied = copy_out(&mut rx, &mut editor_tx) => copied,
        () = to_hub => {}
    }
    Ok(())
}

async fn copy_out(rx: &mut (impl AsyncRead + Unpin), tx: &mut (impl AsyncWrite + Unpin)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = rx.read(&mut buffer).await {
        // Each piece at once: an editor waits for it.
        if tx.write_all(&buffer[..len]).await.is_err() || tx.flush().await.is_err() {
            return;
        }
    }
}

/// How long an editor may take to say its first word.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// Tells an editor why there is no session, as the answer to its first request: what is said
/// elsewhere many do not show.
async fn refuse(
    error: &FaceError,
    rx: &mut (impl AsyncRead + Unpin),
    tx: &mut (impl AsyncWrite + Unpin),
) {
    let mut decoder = Decoder::default();
    let first = async {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = rx.read(&mut buffer).await {
            decoder.push(&buffer[..len]);
            match decoder.message() {
                Ok(None) => {}
                Ok(Some(message)) => return Message::parse(message).ok(),
                Err(_) => return None,
            }
        }
        None
    };
    if let Ok(Some(Message::Request(request))) = tokio::time::timeout(FIRST_WORD, first).await {
        let text = match &error.0.help {
            Some(help) => format!("towline: {error} ({help})"),
            None => format!("towline: {error}"),
        };
        let answer = Message::Response(DapRequest::failed(&request, &text)).numbered(1);
        let _ = tx.write_all(&encode(&answer)).await; // it may be gone
        let _ = tx.flush().await;
    }
}
