//! Carries a process' output into the stream until it has ended: everything it
//! wrote, then its exit, also when a grandchild keeps a pipe open for ever.

use std::io;
use std::time::Duration;

use protocol::io::connection::ChannelTx;
use protocol::io::framed::{self, FrameError};
use protocol::limits::CHUNK_LEN_MAX;
use protocol::wire::exec::{Exit, Output};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr};
use tokio::time::Instant;

use super::spawn::Out;
use super::tree::Tree;

/// After the exit, how long nothing may come before the output counts as
/// complete although somebody still holds it open. What the process itself
/// wrote is in the pipe by then.
const QUIET: Duration = Duration::from_millis(250);

/// After the exit, the most of a chattering grandchild that is still carried.
/// Longer than a full pipe needs on a slow link.
const LINGER: Duration = Duration::from_secs(10);

enum Source {
    Out,
    Err,
}

/// Carries output until the process ended and its output is complete.
pub(super) async fn carry(
    child: &mut Child,
    tree: &Tree,
    out: Out,
    err: Option<ChildStderr>,
    tx: &mut ChannelTx,
) -> Result<Exit, FrameError> {
    framed::write(tx, &Output::Started(tree.pid())).await?;
    let mut out: Option<Box<dyn AsyncRead + Send + Unpin>> = match out {
        Out::Pipe(pipe) => Some(Box::new(pipe)),
        Out::Pty(pty) => Some(Box::new(pty)),
    };
    let mut err = err;
    let (mut out_buffer, mut err_buffer) = (Vec::new(), Vec::new());
    let mut ended: Option<(Exit, Instant)> = None;
    loop {
        if let Some((exit, at)) = ended
            && ((out.is_none() && err.is_none()) || at.elapsed() > LINGER)
        {
            return Ok(exit);
        }
        // Neither may starve the other, but both come before the clock.
        let either = async {
            tokio::select! {
                read = read(&mut out, &mut out_buffer) => (Source::Out, read),
                read = read(&mut err, &mut err_buffer) => (Source::Err, read),
            }
        };
        tokio::select! {
            biased;
            read = either => match read {
                (Source::Out, Some(bytes)) => framed::write(tx, &Output::Stdout(bytes)).await?,
                (Source::Err, Some(bytes)) => framed::write(tx, &Output::Stderr(bytes)).await?,
                (Source::Out, None) => out = None,
                (Source::Err, None) => err = None,
            },
            status = child.wait(), if ended.is_none() => {
                ended = Some((super::exit_of(status), Instant::now()));
            }
            () = tokio::time::sleep(QUIET), if ended.is_some() => {
                if let Some((exit, _)) = ended {
                    return Ok(exit);
                }
            }
        }
    }
}

/// The next bytes; none at the end. A terminal ends with EIO, which is no error.
/// Safe to cancel; never ready for a source that has ended.
async fn read<R: AsyncRead + Unpin>(
    source: &mut Option<R>,
    buffer: &mut Vec<u8>,
) -> Option<Vec<u8>> {
    let Some(source) = source else { return std::future::pending().await };
    buffer.clear();
    buffer.reserve(CHUNK_LEN_MAX);
    let read: io::Result<usize> = source.take(CHUNK_LEN_MAX as u64).read_buf(buffer).await;
    match read {
        Ok(len) if len > 0 => Some(buffer.clone()), // a copy costs less than fresh pages
        _ => None,
    }
}
