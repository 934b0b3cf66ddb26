//! Joins a face's local socket to a stream of the link: the face speaks with the
//! agent itself, the hub only carries the bytes.

use std::sync::atomic::Ordering;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::{Channel, ChannelRx, ChannelTx, Connection, OpenError};
use protocol::io::framed::{self, FrameError};
use protocol::io::pump::{self, Counters, Cutting, PumpError};
use protocol::limits::PUMP_BUFFER_MAX;
use protocol::wire::stream::{Open, Opened, Priority};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Opens a stream for `open`, tells the face how it went, then carries bytes
/// until one side is done. A face that goes away cuts the stream, which ends
/// what it started over there; a stream that is cut drops the face's socket
/// without the last frame that a face waits for.
///
/// # Errors
/// How it was cut; nothing is left to do about it.
pub async fn splice<R, W>(
    connection: &Connection,
    open: Open,
    (mut face_rx, mut face_tx): (R, W),
) -> Result<(), PumpError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let opened = connection.open(&open, priority(&open)).await;
    let Channel { tx, rx } = match opened {
        Ok(channel) => channel,
        Err(error) => {
            let refusal = match error {
                OpenError::Refused(error) => error,
                OpenError::Closed | OpenError::Frame(_) => WireError::new(
                    ErrorCode::Unreachable,
                    "the link to the target was lost before it answered",
                ),
            };
            framed::write(&mut face_tx, &Opened::Refused(refusal)).await?;
            face_tx.shutdown().await.map_err(PumpError::Local)?;
            return Ok(());
        }
    };
    framed::write(&mut face_tx, &Opened::Ok).await?;
    if let Open::Dial(_) = open {
        return pump::halves(face_rx, face_tx, tx, async { Ok(rx) }, &Counters::default()).await;
    }
    converse(&mut face_rx, &mut face_tx, tx, rx).await
}

/// The agent has the last word: all but raw connections are over when it ended
/// its side, and a face that ends its side before that has gone away.
async fn converse(
    face_rx: &mut (impl AsyncRead + Unpin),
    face_tx: &mut (impl AsyncWrite + Unpin),
    tx: ChannelTx,
    mut rx: ChannelRx,
) -> Result<(), PumpError> {
    let mut tx = Cutting::new(tx);
    let counters = Counters::default();
    tokio::select! {
        biased;
        done = forward(&mut rx, face_tx, &counters) => done?,
        error = listen(face_rx, tx.get()) => return Err(error),
    }
    tx.end().await;
    Ok(())
}

async fn forward(
    rx: &mut ChannelRx,
    face_tx: &mut (impl AsyncWrite + Unpin),
    counters: &Counters,
) -> Result<(), PumpError> {
    let mut buffer = Vec::with_capacity(PUMP_BUFFER_MAX);
    loop {
        buffer.clear();
        if rx.read_buf(&mut buffer).await.map_err(PumpError::Link)? == 0 {
            return face_tx.shutdown().await.map_err(PumpError::Local);
        }
        face_tx.write_all(&buffer).await.map_err(PumpError::Local)?;
        counters.from_link.fetch_add(buffer.len() as u64, Ordering::Relaxed);
    }
}

/// Carries what the face says. An agent that listens no more may still have
/// something to say, so from then on the face's words are dropped.
async fn listen(face_rx: &mut (impl AsyncRead + Unpin), tx: &mut ChannelTx) -> PumpError {
    let mut buffer = Vec::with_capacity(PUMP_BUFFER_MAX);
    let mut is_heard = true;
    loop {
        buffer.clear();
        match face_rx.read_buf(&mut buffer).await {
            Ok(0) => return PumpError::Local(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) if is_heard => is_heard = tx.write_all(&buffer).await.is_ok(),
            Ok(_) => {}
            Err(error) => return PumpError::Local(error),
        }
    }
}

/// Which streams go first when the link is full.
fn priority(open: &Open) -> Priority {
    match open {
        Open::Control(_) => Priority::Control,
        Open::Dial(_) | Open::Logs(_) => Priority::Proxied,
        Open::Exec(_) | Open::App(_) | Open::Files(_) | Open::Resolve(_) => Priority::Terminal,
        Open::Processes(_) | Open::Debug(_) | Open::Source(_) => Priority::Terminal,
        Open::Copy(_) | Open::Upload(_) => Priority::Bulk,
        Open::Sync(_) | Open::SyncApply(_) | Open::SyncFetch(_) | Open::SyncAsk(_) => {
            Priority::Edit
        }
    }
}

/// A refusal that came back instead of an answer, in words.
///
/// # Errors
/// The far side's refusal, or the stream's failure.
pub async fn opened(rx: &mut (impl AsyncRead + Unpin)) -> Result<(), OpenError> {
    match framed::read::<Opened>(rx).await {
        Ok(Opened::Ok) => Ok(()),
        Ok(Opened::Refused(error)) => Err(OpenError::Refused(error)),
        Err(FrameError::Ended) => Err(OpenError::Closed),
        Err(error) => Err(error.into()),
    }
}
