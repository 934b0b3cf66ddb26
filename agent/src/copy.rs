//! Copies files in and out. What a copy is, both ends share; this only says
//! where the target's files are.

use std::time::Duration;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::copy::{self, CopyError, Destination, Source, Summary};
use protocol::io::framed::{self, FrameError};
use protocol::io::pump::Cutting;
use protocol::wire::copy::{Copy, Verdict};

use crate::context::Context;
use crate::router::{accept, refuse};

/// How long to go on reading from a hub that was told that its copy failed: a
/// cut would lose it the reason.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(context: &Context, copy: Copy, channel: Channel) -> Result<(), FrameError> {
    let shutdown = context.shutdown.clone();
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()), // dropping the halves is as good as a word
        served = either(context, copy, channel) => served,
    }
}

async fn either(context: &Context, copy: Copy, mut channel: Channel) -> Result<(), FrameError> {
    match copy {
        Copy::In(named) => {
            accept(&mut channel).await?;
            let destination = Destination::new(context.resolve(&named), &named);
            take(destination, channel).await
        }
        Copy::Out(named) => match Source::find(context.resolve(&named), &named) {
            Ok(source) => {
                accept(&mut channel).await?;
                give(source, channel).await
            }
            Err(error) => refuse(&mut channel, error).await,
        },
    }
}

async fn take(destination: Destination, channel: Channel) -> Result<(), FrameError> {
    let Channel { tx, mut rx } = channel;
    let mut tx = Cutting::new(tx);
    let verdict = match copy::receive(&mut rx, destination, &mut |_| {}).await {
        Ok(_) => Verdict::Done,
        Err(CopyError::Stream(FrameError::Malformed { .. } | FrameError::TooLong { .. })) => {
            Verdict::Failed(WireError::new(ErrorCode::BadRequest, "the pieces are no pieces"))
        }
        Err(CopyError::Stream(error)) => return Err(error),
        Err(CopyError::Here(error) | CopyError::There(error)) => Verdict::Failed(error),
    };
    framed::write(tx.get(), &verdict).await?;
    tx.end().await;
    let rest = async { tokio::io::copy(&mut rx, &mut tokio::io::sink()).await };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
    Ok(())
}

async fn give(source: Source, channel: Channel) -> Result<(), FrameError> {
    let stopped = channel.tx.stopped();
    let mut tx = Cutting::new(channel.tx);
    let mut unwatched = |_: &Summary| {};
    let sent = tokio::select! {
        biased;
        () = stopped => return Err(FrameError::Ended),
        sent = copy::send(tx.get(), source, &mut unwatched) => sent,
    };
    match sent {
        Err(CopyError::Stream(error)) => Err(error),
        Ok(_) | Err(CopyError::Here(_) | CopyError::There(_)) => {
            tx.end().await;
            Ok(())
        }
    }
}
