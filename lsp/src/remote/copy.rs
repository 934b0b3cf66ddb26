//! The client half of `cp`. The streams stand behind `Opened::Ok`.

use protocol::io::copy::{self, CopyError, Destination, Source, Summary};
use protocol::io::framed::{self, FrameError};
use protocol::wire::copy::Verdict;
use tokio::io::{AsyncRead, AsyncWrite};

/// Copies a local tree into the target; the stream was opened with `Copy::In`.
///
/// # Errors
/// See [`CopyError`]; what was complete by then stays.
pub async fn upload(
    mut rx: impl AsyncRead + Unpin,
    mut tx: impl AsyncWrite + Unpin,
    source: Source,
    progress: &mut (dyn FnMut(&Summary) + Send),
) -> Result<Summary, CopyError> {
    let mut verdict = std::pin::pin!(framed::read(&mut rx));
    // The agent may have its say while much is still to be sent.
    let sent = tokio::select! {
        biased;
        verdict = &mut verdict => return judge(verdict).map(|()| Summary::default()),
        sent = copy::send(&mut tx, source, progress) => sent,
    };
    match sent {
        Ok(summary) => judge(verdict.await).map(|()| summary),
        // A stream that fails under us often does so because the agent gave up.
        Err(CopyError::Stream(error)) => match verdict.await {
            Ok(Verdict::Failed(reason)) => Err(CopyError::There(reason)),
            _ => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// Copies a tree out of the target; the stream was opened with `Copy::Out`.
/// `_tx` is held so that the agent sees whether we are still here.
///
/// # Errors
/// See [`CopyError`]; what was complete by then stays.
pub async fn download(
    mut rx: impl AsyncRead + Unpin,
    _tx: impl AsyncWrite + Unpin,
    destination: Destination,
    progress: &mut (dyn FnMut(&Summary) + Send),
) -> Result<Summary, CopyError> {
    copy::receive(&mut rx, destination, progress).await
}

fn judge(verdict: Result<Verdict, FrameError>) -> Result<(), CopyError> {
    match verdict? {
        Verdict::Done => Ok(()),
        Verdict::Failed(reason) => Err(CopyError::There(reason)),
    }
}
