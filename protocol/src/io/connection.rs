//! One authenticated connection of many streams, as features see it. The only
//! file beside `io/quic.rs` that names quinn; features hold a [`Connection`] and
//! [`Channel`]s and cannot tell QUIC from the in-memory pair that tests use.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

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
    closed: CancellationToken,
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
    Memory(MemoryTx),
}

struct MemoryTx {
    half: WriteHalf<DuplexStream>,
    cut: CancellationToken,
    stopped: Wait,
    stop: CancellationToken,
}

/// The receiving half. Dropping it tells the peer to stop sending.
pub struct ChannelRx(RxInner);

enum RxInner {
    Quic(quinn::RecvStream),
    Memory(MemoryRx),
}

struct MemoryRx {
    half: ReadHalf<DuplexStream>,
    cut: Wait,
    _stop: DropGuard,
}

/// Like QUIC's, a stream in memory remembers a cut: polled before the bytes.
struct Wait(Pin<Box<WaitForCancellationFutureOwned>>);

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
        let closed = CancellationToken::new();
        let end = |opened_tx, opened_rx| {
            Self(Inner::Memory(Arc::new(Memory {
                opened_tx,
                opened_rx: Mutex::new(opened_rx),
                closed: closed.clone(),
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
                if memory.closed.is_cancelled() {
                    return Err(OpenError::Closed);
                }
                let (ours, theirs) = memory_channels(&memory.closed);
                memory.opened_tx.send(theirs).await.map_err(|_| OpenError::Closed)?;
                Ok(ours)
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
                let mut opened_rx = memory.opened_rx.lock().await;
                tokio::select! {
                    biased;
                    () = memory.closed.cancelled() => None,
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
            Inner::Memory(memory) => memory.closed.is_cancelled(),
        }
    }

    /// Returns when the connection is gone.
    pub async fn closed(&self) {
        match &self.0 {
            Inner::Quic(connection) => {
                connection.closed().await;
            }
            Inner::Memory(memory) => memory.closed.cancelled().await,
        }
    }

    /// Ends the connection and every stream on it, on both sides.
    pub fn close(&self, reason: &str) {
        match &self.0 {
            Inner::Quic(connection) => connection.close(0u32.into(), reason.as_bytes()),
            Inner::Memory(memory) => memory.closed.cancel(),
        }
    }
}

fn memory_channels(closed: &CancellationToken) -> (Channel, Channel) {
    let (left, right) = tokio::io::duplex(256 * 1024);
    let tokens = || (closed.child_token(), closed.child_token());
    let (to_right, to_left) = (tokens(), tokens());
    let channel = |stream, tx: &(CancellationToken, CancellationToken), rx: &(_, _)| {
        let (rx_half, tx_half) = tokio::io::split(stream);
        let ((tx_cut, tx_stop), (rx_cut, rx_stop)) = (tx.clone(), Clone::clone(rx));
        Channel {
            tx: ChannelTx(TxInner::Memory(MemoryTx {
                half: tx_half,
                cut: tx_cut,
                stopped: Wait::on(&tx_stop),
                stop: tx_stop,
            })),
            rx: ChannelRx(RxInner::Memory(MemoryRx {
                half: rx_half,
                cut: Wait::on(&rx_cut),
                _stop: CancellationToken::drop_guard(rx_stop),
            })),
        }
    };
    (channel(left, &to_right, &to_left), channel(right, &to_left, &to_right))
}

impl Wait {
    fn on(token: &CancellationToken) -> Self {
        Self(Box::pin(token.clone().cancelled_owned()))
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.0.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for ChannelTx {
    fn drop(&mut self) {
        if let TxInner::Memory(tx) = &mut self.0 {
            // Ends the stream as a dropped QUIC stream does; never pending in memory.
            let _ = Pin::new(&mut tx.half).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
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
        match &mut self.0 {
            TxInner::Quic(tx) => {
                let _ = tx.reset(1u32.into()); // already closed is as good
            }
            TxInner::Memory(tx) => tx.cut.cancel(),
        }
    }

    /// Returns once the peer wants no more, has everything, or is gone: also
    /// while nothing is being written.
    pub fn stopped(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        match &self.0 {
            TxInner::Quic(tx) => {
                let stopped = tx.stopped();
                Box::pin(async move {
                    let _ = stopped.await; // a lost connection is as good
                })
            }
            TxInner::Memory(tx) => Box::pin(tx.stop.clone().cancelled_owned()),
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
            TxInner::Memory(tx) => {
                tx.stopped.check(cx)?;
                Pin::new(&mut tx.half).poll_write(cx, buf)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.0 {
            TxInner::Quic(tx) => Pin::new(tx).poll_flush(cx),
            TxInner::Memory(tx) => Pin::new(&mut tx.half).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.0 {
            TxInner::Quic(tx) => Pin::new(tx).poll_shutdown(cx),
            TxInner::Memory(tx) => Pin::new(&mut tx.half).poll_shutdown(cx),
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
            RxInner::Memory(rx) => {
                rx.cut.check(cx)?;
                Pin::new(&mut rx.half).poll_read(cx, buf)
            }
        }
    }
}
