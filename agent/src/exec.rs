//! Commands and terminals: one stream, one process tree. The tree lives no
//! longer than its client wants it: when the stream is cut before the process
//! exits, the tree is ended.

use std::io;
use std::time::Duration;

use protocol::io::connection::{Channel, ChannelRx};
use protocol::io::framed::{self, FrameError};
use protocol::wire::exec::{Exec, Exit, Input, Output, WindowSize};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::context::Context;
use crate::router::{accept, refuse};

mod output;
pub(crate) mod spawn;
pub(crate) mod tree;

use spawn::{Process, Stdin};

/// How long each of SIGHUP and SIGTERM gets before something harder follows.
const GRACE: Duration = Duration::from_secs(2);

/// What a terminal sends for "no more input".
const END_OF_TRANSMISSION: u8 = 4;

/// How long to go on reading from a client that has its exit status: it may be
/// in the middle of a write, and a cut would lose it what is on its way.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(context: &Context, exec: Exec, mut channel: Channel) -> Result<(), FrameError> {
    let process = match spawn::spawn(context, &exec) {
        Ok(process) => process,
        Err(error) => return refuse(&mut channel, error).await,
    };
    let Process { mut child, tree, stdin, out, err } = process;
    let accepted = accept(&mut channel).await;
    let stopped = channel.tx.stopped();
    let Channel { mut tx, mut rx } = channel;
    let outcome = match accepted {
        Err(error) => Err(error),
        Ok(()) => tokio::select! {
            biased;
            () = context.shutdown.cancelled() => Err(FrameError::Ended),
            () = stopped => Err(FrameError::Ended),
            error = feed(&mut rx, stdin, &tree) => Err(error),
            done = output::carry(&mut child, &tree, out, err, &mut tx) => done,
        },
    };
    match outcome {
        Ok(exit) => {
            framed::write(&mut tx, &Output::Exited(exit)).await?;
            tx.shutdown().await?;
            let _ = tokio::time::timeout(FAREWELL, discard(&mut rx)).await;
            Ok(())
        }
        Err(error) => {
            tx.reset();
            tree.end(&[rustix::process::Signal::HUP, rustix::process::Signal::TERM], GRACE).await;
            let _ = child.wait().await; // it is gone; this only reaps it
            Err(error)
        }
    }
}

/// Gives the process what the client sends. Returns only when the client is
/// gone.
async fn feed(rx: &mut ChannelRx, mut stdin: Option<Stdin>, tree: &tree::Tree) -> FrameError {
    loop {
        let input = match framed::read_optional(rx).await {
            Ok(Some(input)) => input,
            Ok(None) => {
                drop(stdin); // a clean end says that there is no more input
                return std::future::pending().await;
            }
            Err(error) => return error,
        };
        match input {
            Input::Stdin(bytes) => {
                if let Some(open) = &mut stdin
                    && open.write_all(&bytes).await.is_err()
                {
                    stdin = None; // it reads no more; the rest of the input has no taker
                }
            }
            Input::StdinEof => match &mut stdin {
                Some(Stdin::Pty(pty)) => {
                    let _ = pty.write_all(&[END_OF_TRANSMISSION]).await;
                }
                _ => stdin = None,
            },
            Input::Resize(size) => {
                if let Some(Stdin::Pty(pty)) = &stdin {
                    let _ = pty.resize(pty_size(size)); // only the size would be off
                }
            }
            Input::Signal(number) => tree.signal_group(number),
        }
    }
}

async fn discard(rx: &mut ChannelRx) {
    let _ = tokio::io::copy(rx, &mut tokio::io::sink()).await;
}

pub(crate) fn pty_size(size: WindowSize) -> pty_process::Size {
    pty_process::Size::new(size.rows, size.cols)
}

/// How `status` reads on the wire.
pub(crate) fn exit_of(status: io::Result<std::process::ExitStatus>) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Code(255), // neither cannot be; be it a failure
        },
        Err(error) => {
            tracing::warn!(%error, "unable to wait for a process");
            Exit::Code(255)
        }
    }
}

impl Stdin {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sink: &mut (dyn AsyncWrite + Send + Unpin) = match self {
            Self::Pipe(pipe) => pipe,
            Self::Pty(pty) => pty,
        };
        sink.write_all(bytes).await
    }
}
