//! One websocket of the API as a byte stream: each message begins with the number of
//! its channel. Knows nothing of what the channels are.
//!
//! By hand and not by kube's `AttachedProcess` and `Portforwarder`, which cut what is
//! sent into 4 KiB messages and do not end their readers when they are dropped.

use futures_util::{SinkExt, StreamExt};
use kube::client::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::task::AbortOnDropHandle;

/// Bytes in one message: an eighth of what the API server takes, and enough that
/// its header costs nothing.
const MESSAGE_MAX: usize = 128 * 1024;
/// Bytes that wait on either side.
const BUFFER: usize = 256 * 1024;

/// Ends when it is dropped.
pub struct Bytes {
    /// What arrives.
    pub rx: DuplexStream,
    /// What is sent.
    pub tx: DuplexStream,
    /// Moves them.
    pub pump: AbortOnDropHandle<()>,
}

/// Sends on the channel `sends`. Of what arrives, `is_ours` says of each channel and
/// message whether it belongs to the stream.
pub fn bytes(
    connection: Connection,
    sends: u8,
    mut is_ours: impl FnMut(u8, &[u8]) -> bool + Send + 'static,
) -> Bytes {
    let (mut sink, mut source) = connection.into_stream().split();
    let (rx, mut out) = tokio::io::duplex(BUFFER);
    let (tx, mut input) = tokio::io::duplex(BUFFER);
    let receive = async move {
        while let Some(Ok(message)) = source.next().await {
            let Message::Binary(message) = message else { continue };
            if let Some((&channel, message)) = message.split_first()
                && is_ours(channel, message)
                && out.write_all(message).await.is_err()
            {
                return;
            }
        }
    };
    let send = async move {
        let mut message = Vec::with_capacity(MESSAGE_MAX + 1);
        loop {
            message.clear();
            message.push(sends);
            match (&mut input).take(MESSAGE_MAX as u64).read_buf(&mut message).await {
                Ok(1..) => {}
                _ => return, // the carrier is dropped
            }
            let message = tungstenite::Bytes::copy_from_slice(&message);
            if sink.send(Message::Binary(message)).await.is_err() {
                return;
            }
        }
    };
    let pump = AbortOnDropHandle::new(tokio::spawn(async move {
        tokio::select! {
            () = receive => {}
            () = send => {}
        }
    }));
    Bytes { rx, tx, pump }
}
