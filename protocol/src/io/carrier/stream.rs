//! Datagrams on any byte stream: child stdio, a Unix socket, an exec or SSH
//! channel. Reads and writes in batches; a bad frame ends this carrier only.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Queues;
use crate::limits::CARRIER_DATAGRAM_MAX;
use crate::link::frame;

/// Holds several datagrams, so that one read serves many.
const READ_BUFFER: usize = 128 * 1024;
const _: () = assert!(READ_BUFFER > CARRIER_DATAGRAM_MAX + frame::HEADER);

/// A buffer that grew over a burst is given back when the line is quiet.
const KEEP_BUFFER: usize = 64 * 1024;

/// Runs until either direction ends; tells why.
pub(super) async fn run(
    rx: Box<dyn AsyncRead + Send + Unpin>,
    tx: Box<dyn AsyncWrite + Send + Unpin>,
    silence_max: Option<Duration>,
    queues: &Queues,
) -> String {
    tokio::select! {
        reason = receive(rx, silence_max, queues) => reason,
        reason = send(tx, queues) => reason,
    }
}

async fn receive(
    mut rx: Box<dyn AsyncRead + Send + Unpin>,
    silence_max: Option<Duration>,
    queues: &Queues,
) -> String {
    let mut buffer = vec![0; READ_BUFFER];
    let mut filled = 0;
    loop {
        let read = rx.read(&mut buffer[filled..]);
        let read = match silence_max {
            None => read.await,
            Some(silence) => match tokio::time::timeout(silence, read).await {
                Ok(read) => read,
                Err(_) => return format!("nothing arrived for {} s", silence.as_secs()),
            },
        };
        match read {
            Ok(0) if filled > 0 => return "the stream ended inside a datagram".into(),
            Ok(0) => return "the stream ended".into(),
            Ok(count) => filled += count,
            Err(error) => return format!("reading failed: {error}"),
        }
        let whole = match frame::whole(&buffer[..filled]) {
            Ok(whole) => whole,
            Err(error) => return format!("the peer does not speak datagrams: {error}"),
        };
        if whole > 0 {
            loop {
                let space = queues.inbound_space.notified();
                if queues.deliver(&buffer[..whole]) {
                    break;
                }
                space.await;
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }
}

async fn send(mut tx: Box<dyn AsyncWrite + Send + Unpin>, queues: &Queues) -> String {
    let mut frames = Vec::new();
    loop {
        queues.take_outbound(&mut frames).await;
        if let Err(error) = write(&mut tx, &frames).await {
            return format!("writing failed: {error}");
        }
        frames.clear();
        frames.shrink_to(KEEP_BUFFER);
    }
}

async fn write(
    tx: &mut (dyn AsyncWrite + Send + Unpin),
    frames: &[u8],
) -> Result<(), std::io::Error> {
    tx.write_all(frames).await?;
    tx.flush().await
}
