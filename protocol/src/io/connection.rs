//! One authenticated connection of many streams, as features see it. The only
//! file beside `io/quic.rs` that names quinn; features hold a [`Connection`] and
//! [`Channel`]s and cannot tell QUIC from the in-memory pair that tests use.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{Mutex, mpsc, watch};

use super::framed::{self, FrameError};
use crate::error::WireError;
use crate::wire::stream::{Open, Opened, Priority};

/// One link's connection. Cheap to clone; ends when the peer ends it or after
/// hours without any carrier, never because a carrier died.
#[derive(Clone)]
pub struct Connection(Inner);

#[derive(Clone)]
enum Inner {
    Quic(quinn::Connection),
    Memory(Arc<Memory>),
}

struct Memory {
    opened_tx: mpsc::Sender<Channel>,
    opened_rx: Mutex<mpsc::Receiver<Channel>>,
    closed_tx: Arc<watch::Sender<bool>>,
}

/// One stream, both directions.
pub struct Channel {
    /// Bytes to the peer.
    pub tx: ChannelTx,
    /// Bytes from the peer.
    pub rx: ChannelRx,
}

/// The sending half. Dropping it ends the stream cleanly; [`ChannelTx::reset`]
/// tells the peer that it was cut.
pub struct ChannelTx(TxInner);

enum TxInner {
    Quic(quinn::SendStream),
    Memory(tokio::io::WriteHalf<DuplexStream>),
}

/// The receiving half. Dropping it tells the peer to stop sending.
pub struct ChannelRx(RxInner);

enum RxInner {
    Quic(quinn::RecvStream),
    Memory(tokio::io::ReadHalf<DuplexStream>),
}

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The connection is gone.
    #[error("the link to the agent is closed")]
    Closed,
    /// The stream failed while it was being opened.
    #[error("unable to open a stream")]
    Frame(#[from] FrameError),
    /// The peer said no.
    #[error(transparent)]
    Refused(WireError),
}

impl Connection {
    /// Features over a QUIC connection.
    pub fn quic(connection: quinn::Connection) -> Self {
        Self(Inner::Quic(connection))
    }

    /// Two ends of a connection in memory, for tests of features.
    pub fn memory_pair() -> (Self, Self) {
        let (left_tx, right_rx) = mpsc::channel(64);
        let (right_tx, left_rx) = mpsc::channel(64);
        let closed_tx = Arc::new(watch::channel(false).0);
        let end = |opened_tx, opened_rx| {
            Self(Inner::Memory(Arc::new(Memory {
                opened_tx,
                opened_rx: Mutex::new(opened_rx),
                closed_tx: closed_tx.clone(),
            })))
        };
        (end(left_tx, left_rx), end(right_tx, right_rx))
    }

    /// Opens a raw stream.
    ///
    /// # Errors
    /// [`OpenError::Closed`] when the connection is gone.
    pub async fn open_raw(&self, priority: Priority) -> Result<Channel, OpenError> {
        match &self.0 {
            Inner::Quic(connection) => {
                let (tx, rx) = connection.open_bi().await.map_err(|_| OpenError::Closed)?;
                let channel =
                    Channel { tx: ChannelTx(TxInner::Quic(tx)), rx: ChannelRx(RxInner::Quic(rx)) };
                channel.tx.set_priority(priority);
                Ok(channel)
            }
            Inner::Memory(memory) => {
                if *memory.closed_tx.borrow() {
                    return Err(OpenError::Closed);
                }
                let (ours, theirs) = tokio::io::duplex(256 * 1024);
                memory
                    .opened_tx
                    .send(memory_channel(theirs))
                    .await
                    .map_err(|_| OpenError::Closed)?;
                Ok(memory_channel(ours))
            }
        }
    }

    /// Opens a stream for `open` and waits for the peer's answer.
    ///
    /// # Errors
    /// [`OpenError::Refused`] carries the peer's words.
    pub async fn open(&self, open: &Open, priority: Priority) -> Result<Channel, OpenError> {
        let mut channel = self.open_raw(priority).await?;
        framed::write(&mut channel.tx, open).await?;
        match framed::read(&mut channel.rx).await? {
            Opened::Ok => Ok(channel),
            Opened::Refused(error) => Err(OpenError::Refused(error)),
        }
    }

    /// The next stream the peer opens; `None` when the connection is gone.
    pub async fn accept(&self) -> Option<Channel> {
        match &self.0 {
            Inner::Quic(connection) => {
                let (tx, rx) = connection.accept_bi().await.ok()?;
                Some(Channel { tx: ChannelTx(TxInner::Quic(tx)), rx: ChannelRx(RxInner::Quic(rx)) })
            }
            Inner::Memory(memory) => {
                let mut closed_rx = memory.closed_tx.subscribe();
                let mut opened_rx = memory.opened_rx.lock().await;
                tokio::select! {
                    biased;
                    _ = closed_rx.wait_for(|closed| *closed) => None,
                    channel = opened_rx.recv() => channel,
                }
            }
        }
    }

    /// The smoothed round trip; none in memory.
    pub fn rtt(&self) -> Option<std::time::Duration> {
        match &self.0 {
            Inner::Quic(connection) => Some(connection.rtt()),
            Inner::Memory(_) => None,
        }
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            Inner::Quic(connection) => connection.close_reason().is_some(),
            Inner::Memory(memory) => *memory.closed_tx.borrow(),
        }
    }

    /// Returns when the connection is gone.
    pub async fn closed(&self) {
        match &self.0 {
            Inner::Quic(connection) => {
                connection.closed().await;
            }
            Inner::Memory(memory) => {
                let _ = memory.closed_tx.subscribe().wait_for(|closed| *closed).await;
            }
        }
    }

    /// Ends the connection and every stream on it, on both sides.
    pub fn close(&self, reason: &str) {
        match &self.0 {
            Inner::Quic(connection) => connection.close(0u32.into(), reason.as_bytes()),
            Inner::Memory(memory) => {
                memory.closed_tx.send_replace(true);
            }
        }
    }
}

fn memory_channel(stream: DuplexStream) -> Channel {
    let (rx, tx) = tokio::io::split(stream);
    Channel { tx: ChannelTx(TxInner::Memory(tx)), rx: ChannelRx(RxInner::Memory(rx)) }
}

impl ChannelTx {
    /// Puts the stream before or behind others when the link is full.
    pub fn set_priority(&self, priority: Priority) {
        if let TxInner::Quic(tx) = &self.0 {
            let _ = tx.set_priority(priority as i32); // a stream that is closed needs none
        }
    }

    /// Cuts the stream: the peer's read fails instead of ending.
    pub fn reset(&mut self) {
        if let TxInner::Quic(tx) = &mut self.0 {
            let _ = tx.reset(1u32.into()); // already closed is as good
        }
    }

    /// Returns once the peer has everything or wants no more.
    pub async fn finished(mut self) {
        if let TxInner::Quic(tx) = &mut self.0 {
            let _ = tx.finish();
            let _ = tx.stopped().await;
        }
    }
}

impl AsyncWrite for ChannelTx {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match &mut self.0 {
            TxInner::Quic(tx) => AsyncWrite::poll_write(Pin::new(tx), cx, buf),
            TxInner::Memory(tx) => Pin::new(tx).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.0 {
            TxInner::Quic(tx) => Pin::new(tx).poll_flush(cx),
            TxInner::Memory(tx) => Pin::new(tx).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.0 {
            TxInner::Quic(tx) => Pin::new(tx).poll_shutdown(cx),
            TxInner::Memory(tx) => Pin::new(tx).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for ChannelRx {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut self.0 {
            RxInner::Quic(rx) => AsyncRead::poll_read(Pin::new(rx), cx, buf),
            RxInner::Memory(rx) => Pin::new(rx).poll_read(cx, buf),
        }
    }
}
