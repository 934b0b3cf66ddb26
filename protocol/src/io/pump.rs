//! Joins a local byte stream to a stream of the link: both directions at once,
//! half-close kept, a cut on one side made a cut on the other. Knows nothing of
//! what the bytes are.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connection::{ChannelRx, ChannelTx};
use super::framed::{self, FrameError};
use crate::error::WireError;
use crate::limits::{PUMP_BUFFER_MAX, PUMP_BUFFER_MIN};
use crate::wire::stream::Opened;

/// Bytes moved so far; read them at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// From the local stream into the link.
    pub to_link: AtomicU64,
    /// From the link to the local stream.
    pub from_link: AtomicU64,
}

/// Why a joined pair was cut. A pair that ended cleanly has no error.
#[derive(Debug, thiserror::Error)]
pub enum PumpError {
    /// The local stream failed.
    #[error("the local connection was cut")]
    Local(#[source] io::Error),
    /// The link's stream failed: the far side was cut, or the link is gone.
    #[error("the far side cut the connection")]
    Link(#[source] io::Error),
    /// The far side never opened.
    #[error(transparent)]
    Refused(WireError),
    /// The far side answered with something else than `Opened`.
    #[error("unable to open the far side")]
    Frame(#[from] FrameError),
}

enum HalfError {
    Read(io::Error),
    Write(io::Error),
}

/// A sending half that is reset unless it was ended: a task that is cancelled
/// or fails must never look like a clean end to the peer.
pub struct Cutting {
    tx: ChannelTx,
    ended: bool,
}

/// A TCP stream that sends RST when it is dropped, unless it was ended.
pub struct CuttingTcp {
    tcp: TcpStream,
    ended: bool,
}

/// Joins `tcp` to a stream of the link. What the client sends goes out at once,
/// while `opening` still waits for the far side's answer.
///
/// # Errors
/// See [`PumpError`]; by then both sides are cut.
pub async fn tcp(
    mut tcp: CuttingTcp,
    tx: ChannelTx,
    opening: impl Future<Output = Result<ChannelRx, PumpError>>,
    counters: &Counters,
) -> Result<(), PumpError> {
    let (local_rx, local_tx) = tcp.tcp.split();
    halves(local_rx, local_tx, tx, opening, counters).await?;
    tcp.ended = true;
    Ok(())
}

/// Joins any local stream to a stream of the link. The caller's halves are
/// dropped at the end; one that can be cut harder is the caller's to cut.
///
/// # Errors
/// See [`PumpError`]; by then the link's side is cut.
pub async fn halves(
    mut local_rx: impl AsyncRead + Unpin,
    mut local_tx: impl AsyncWrite + Unpin,
    tx: ChannelTx,
    opening: impl Future<Output = Result<ChannelRx, PumpError>>,
    counters: &Counters,
) -> Result<(), PumpError> {
    let mut tx = Cutting::new(tx);
    let to_link = async {
        one_way(&mut local_rx, &mut tx.tx, &counters.to_link).await.map_err(|error| match error {
            HalfError::Read(error) => PumpError::Local(error),
            HalfError::Write(error) => PumpError::Link(error),
        })
    };
    let from_link = async {
        let mut rx = opening.await?;
        one_way(&mut rx, &mut local_tx, &counters.from_link).await.map_err(|error| match error {
            HalfError::Read(error) => PumpError::Link(error),
            HalfError::Write(error) => PumpError::Local(error),
        })
    };
    tokio::try_join!(to_link, from_link)?;
    tx.ended = true;
    Ok(())
}

/// Waits for the far side's `Opened`, as [`tcp`] wants it.
///
/// # Errors
/// [`PumpError::Refused`] carries the far side's words.
pub async fn opened(mut rx: ChannelRx) -> Result<ChannelRx, PumpError> {
    match framed::read(&mut rx).await? {
        Opened::Ok => Ok(rx),
        Opened::Refused(error) => Err(PumpError::Refused(error)),
    }
}

/// The buffer starts small, so that thousands of idle connections cost little,
/// and grows once a read fills it.
async fn one_way(
    rx: &mut (impl AsyncRead + Unpin),
    tx: &mut (impl AsyncWrite + Unpin),
    moved: &AtomicU64,
) -> Result<(), HalfError> {
    let mut buffer = Vec::with_capacity(PUMP_BUFFER_MIN);
    loop {
        buffer.clear();
        let len = rx.read_buf(&mut buffer).await.map_err(HalfError::Read)?;
        if len == 0 {
            return tx.shutdown().await.map_err(HalfError::Write);
        }
        tx.write_all(&buffer).await.map_err(HalfError::Write)?;
        moved.fetch_add(len as u64, Ordering::Relaxed);
        if len == buffer.capacity() && len < PUMP_BUFFER_MAX {
            buffer = Vec::with_capacity((len * 4).min(PUMP_BUFFER_MAX));
        }
    }
}

impl Cutting {
    /// Guards `tx`.
    pub fn new(tx: ChannelTx) -> Self {
        Self { tx, ended: false }
    }

    /// The guarded half.
    pub fn get(&mut self) -> &mut ChannelTx {
        &mut self.tx
    }

    /// Ends the stream cleanly.
    pub async fn end(mut self) {
        self.ended = self.tx.shutdown().await.is_ok();
    }
}

impl Drop for Cutting {
    fn drop(&mut self) {
        if !self.ended {
            self.tx.reset();
        }
    }
}

impl CuttingTcp {
    /// Guards `tcp`, and sends its small writes at once.
    pub fn new(tcp: TcpStream) -> Self {
        let _ = tcp.set_nodelay(true); // slower without, but right
        Self { tcp, ended: false }
    }
}

impl Drop for CuttingTcp {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.tcp.set_zero_linger(); // a socket that is gone already needs none
        }
    }
}
