//! The socket that quinn sees: datagrams come and go through whichever carrier
//! is there now. Knows nothing of streams, keys or who dialled.
//!
//! ```text
//! quinn ──try_send──▶ outbound ──▶ the carrier's task ──▶ peer
//! quinn ◀─poll_recv── inbound  ◀── the carrier's task ◀── peer
//! ```
//!
//! Both queues belong to the socket and not to a carrier, so a swap loses no
//! waker: quinn's receiver always waits on the same queue. The socket never
//! returns an error to quinn, which would end the endpoint; while there is no
//! carrier, senders are parked.
//!
//! The size of datagrams is a connection's and never changes, so a swap needs no
//! news about the path's limits: [`UDP_DATAGRAM_MAX`] bytes for a connection that
//! began on UDP, [`CARRIER_DATAGRAM_MAX`] for one that began on a stream, which only
//! streams will carry (see [`Datagrams`]). Rejected: the small size for all (it costs
//! a stream carrier a third to most of its throughput), cutting large datagrams below QUIC (twelve
//! packets to one datagram turn 3 % loss into 30 %, and QUIC repeats all twelve),
//! and MTU discovery (it sees a swap to a smaller path as a black hole, after
//! seconds of loss, and then never goes up again).
//!
//! [`UDP_DATAGRAM_MAX`]: crate::limits::UDP_DATAGRAM_MAX

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};

use crate::limits::{CARRIER_DATAGRAM_MAX, CARRIER_QUEUE_MAX};
use crate::link::frame;

mod poller;
pub mod stream;
pub mod tcp;
pub mod udp;

/// The one address that quinn ever sees on either end: carriers change, the
/// path does not.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A way to move datagrams, not in use yet.
pub struct Carrier {
    /// What people call it: `unix socket`, `exec`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// End it after so much silence; none leaves that to the link above.
    pub silence_max: Option<Duration>,
    /// Dropped with the carrier: a child process, an SSH session.
    pub guard: Option<Box<dyn Send>>,
}

/// The kinds of carriers.
pub enum Kind {
    /// Datagrams framed on bytes.
    Stream {
        /// From the peer.
        rx: Box<dyn AsyncRead + Send + Unpin>,
        /// To the peer.
        tx: Box<dyn AsyncWrite + Send + Unpin>,
    },
    /// Datagrams as they are, on a path that both ends proved.
    Udp(udp::Path),
}

/// How large a connection's datagrams are, for all its carriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagrams {
    /// As large as byte streams like them.
    ForStreams,
    /// Small enough for UDP on any network.
    ForUdp,
}

/// What is under the link now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CarrierStatus {
    /// Counts the carriers of this socket.
    pub generation: u64,
    /// The carrier's name while there is one.
    pub name: Option<String>,
    /// Why the last one ended.
    pub ended: Option<String>,
}

/// The swappable socket. Cheap to clone; its carrier ends with the last clone.
#[derive(Clone, Debug)]
pub struct CarrierSocket(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    queues: Arc<Queues>,
    task: Mutex<Option<tokio::task::AbortHandle>>,
    pollers: AtomicU64,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// What the socket and its carrier's task share.
#[derive(Debug)]
struct Queues {
    state: Mutex<State>,
    /// quinn --outbound--> carrier
    outbound_ready: Notify,
    /// carrier --inbound--> quinn
    inbound_space: Notify,
    status_tx: watch::Sender<CarrierStatus>,
    /// Grows with each swap; the congestion controller forgets the old path.
    epoch: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    /// Frames from the peer; those before `inbound_read` are with quinn.
    inbound: Vec<u8>,
    inbound_read: usize,
    /// Frames for the peer.
    outbound: Vec<u8>,
    recv_waker: Option<Waker>,
    send_wakers: BTreeMap<u64, Waker>,
    generation: u64,
    up: bool,
    heard: Option<Instant>,
    dropped: u64,
}

impl State {
    /// Another carrier is up; who waited to send may.
    fn next(&mut self) -> (u64, BTreeMap<u64, Waker>) {
        self.generation += 1;
        self.up = true;
        (self.generation, std::mem::take(&mut self.send_wakers))
    }
}

impl Default for CarrierSocket {
    fn default() -> Self {
        Self::new()
    }
}

impl CarrierSocket {
    /// A socket without a carrier: it parks.
    pub fn new() -> Self {
        let state = State {
            inbound: Vec::new(),
            inbound_read: 0,
            outbound: Vec::new(),
            recv_waker: None,
            send_wakers: BTreeMap::new(),
            generation: 0,
            up: false,
            heard: None,
            dropped: 0,
        };
        let queues = Queues {
            state: Mutex::new(state),
            outbound_ready: Notify::new(),
            inbound_space: Notify::new(),
            status_tx: watch::channel(CarrierStatus::default()).0,
            epoch: Arc::new(AtomicU64::new(0)),
        };
        Self(Arc::new(Handle {
            queues: Arc::new(queues),
            task: Mutex::new(None),
            pollers: AtomicU64::new(0),
        }))
    }

    /// Puts `carrier` under the connection; the one before ends. Needs a tokio
    /// runtime. Returns the carrier's generation.
    pub fn replace(&self, carrier: Carrier) -> u64 {
        self.cut("replaced");
        let (generation, wakers) = self.0.queues.lock().next();
        self.put(carrier, generation, wakers);
        generation
    }

    /// Puts `carrier` in the place of the one of `generation`, whether that one
    /// has ended or not. None, and nothing done, when another came first.
    pub fn succeed(&self, generation: u64, carrier: Carrier) -> Option<u64> {
        let (next, wakers) = {
            let mut state = self.0.queues.lock();
            if state.generation != generation {
                return None;
            }
            state.next()
        };
        if let Some(task) = lock(&self.0.task).take() {
            task.abort();
        }
        self.put(carrier, next, wakers);
        Some(next)
    }

    fn put(&self, carrier: Carrier, generation: u64, wakers: BTreeMap<u64, Waker>) {
        let queues = &self.0.queues;
        let name = carrier.name.clone();
        queues.epoch.fetch_add(1, Ordering::Relaxed);
        queues.status_tx.send_replace(CarrierStatus { generation, name: Some(name), ended: None });
        let task = tokio::spawn(run(carrier, queues.clone(), generation));
        *lock(&self.0.task) = Some(task.abort_handle());
        wakers.into_values().for_each(Waker::wake);
    }

    /// Ends the carrier, if there is one, and parks.
    pub fn cut(&self, reason: &str) {
        if let Some(task) = lock(&self.0.task).take() {
            task.abort();
        }
        let generation = self.0.queues.lock().generation;
        self.0.queues.ended(generation, reason.to_owned());
    }

    /// Ends the carrier of `generation`, if it is still the one in use.
    pub fn end(&self, generation: u64, reason: &str) {
        if self.0.queues.lock().generation == generation {
            self.cut(reason);
        }
    }

    /// What is under the link; changes with each swap and each end.
    pub fn status(&self) -> watch::Receiver<CarrierStatus> {
        self.0.queues.status_tx.subscribe()
    }

    /// When the last datagram arrived.
    pub fn heard(&self) -> Option<Instant> {
        self.0.queues.lock().heard
    }

    /// Datagrams dropped because a queue was full.
    pub fn dropped(&self) -> u64 {
        self.0.queues.lock().dropped
    }

    /// Counts the swaps, for a congestion controller.
    pub fn epoch(&self) -> Arc<AtomicU64> {
        self.0.queues.epoch.clone()
    }
}

/// Moves datagrams until the carrier ends.
async fn run(carrier: Carrier, queues: Arc<Queues>, generation: u64) {
    let Carrier { name, kind, silence_max, guard } = carrier;
    let reason = match kind {
        Kind::Stream { rx, tx } => stream::run(rx, tx, silence_max, &queues).await,
        Kind::Udp(path) => udp::run(path, silence_max, &queues).await,
    };
    tracing::debug!(carrier = %name, generation, %reason, "a carrier ended");
    queues.ended(generation, reason);
    drop(guard);
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn ended(&self, generation: u64, reason: String) {
        {
            let mut state = self.lock();
            if state.generation != generation || !state.up {
                return;
            }
            state.up = false;
        }
        self.status_tx.send_replace(CarrierStatus { generation, name: None, ended: Some(reason) });
    }

    /// Hands whole frames to quinn. False when there is no room for them.
    fn deliver(&self, frames: &[u8]) -> bool {
        let waker = {
            let mut state = self.lock();
            if state.inbound_read == state.inbound.len() {
                state.inbound.clear();
                state.inbound_read = 0;
            }
            if state.inbound.len() + frames.len() > CARRIER_QUEUE_MAX {
                return false;
            }
            state.inbound.extend_from_slice(frames);
            state.heard = Some(Instant::now());
            state.recv_waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Swaps everything that waits for the peer into `frames`, which is empty.
    /// Returns once there is something.
    async fn take_outbound(&self, frames: &mut Vec<u8>) {
        loop {
            let ready = self.outbound_ready.notified();
            let wakers = {
                let mut state = self.lock();
                if state.outbound.is_empty() {
                    None
                } else {
                    std::mem::swap(&mut state.outbound, frames);
                    Some(std::mem::take(&mut state.send_wakers))
                }
            };
            if let Some(wakers) = wakers {
                wakers.into_values().for_each(Waker::wake);
                return;
            }
            ready.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner) // queues of bytes are never half made
}

impl AsyncUdpSocket for CarrierSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        let id = self.0.pollers.fetch_add(1, Ordering::Relaxed);
        Box::pin(poller::Poller { id, queues: self.0.queues.clone() })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        {
            let mut state = self.0.queues.lock();
            if !state.up {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let step = transmit.segment_size.unwrap_or(CARRIER_DATAGRAM_MAX).max(1);
            for datagram in transmit.contents.chunks(step) {
                let full = state.outbound.len() + datagram.len() > CARRIER_QUEUE_MAX;
                if full || !frame::push(&mut state.outbound, datagram) {
                    state.dropped += 1;
                }
            }
        }
        self.0.queues.outbound_ready.notify_one();
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.queues.lock();
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            // only whole frames are ever delivered, so an error cannot be
            let Ok(Some((datagram, rest))) = frame::split(&state.inbound[state.inbound_read..])
            else {
                break;
            };
            let len = datagram.len().min(buf.len());
            buf[..len].copy_from_slice(&datagram[..len]);
            *meta = RecvMeta { addr: ADDRESS, len, stride: len, ecn: None, dst_ip: None };
            state.inbound_read = state.inbound.len() - rest.len();
            count += 1;
        }
        if count == 0 {
            state.recv_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        self.0.queues.inbound_space.notify_one();
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(ADDRESS)
    }

    fn max_transmit_segments(&self) -> usize {
        10 // quinn's own most: 160 KiB at worst, still small beside the queue
    }
}

#[cfg(test)]
mod tests;
