//! Datagrams by UDP, on a path that [`knock`]s proved in both directions before
//! this carrier exists. Knows nothing of how the offer came here.
//!
//! The agent's end is silent to strangers and follows the newest proven address.
//! The hub's end watches the path: what it sends and nobody answers for a while
//! is knocked for again (a hub that changed networks is then followed), and a
//! path that stays silent ends the carrier, so that the link takes another.
//!
//! [`knock`]: crate::link::knock

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::udp::RecvMeta;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Queues, lock};
use crate::limits::{CARRIER_DATAGRAM_MAX, UDP_CARRIER_SILENCE_MAX};
use crate::link::frame;
use crate::link::knock::{self, Door, Kind, Token, Verdict};
use crate::wire::hello::{Offer, UdpWish};

mod wire;
use wire::{RECEIVES, Wire, passing};

/// The first pause between two knocks; doubled up to the silence that ends it.
const KNOCK_EVERY: Duration = Duration::from_millis(50);
/// How often `Come` is said until the agent sends something: one in thirty may
/// be lost, and until it arrives nothing flows.
const COME_EVERY: Duration = Duration::from_millis(50);
/// How many times.
const COME_TIMES: u32 = 10;
/// Silence after something was sent until the path is knocked on again.
const DOUBT_AFTER: Duration = Duration::from_secs(1);
/// How often a path in doubt is looked at.
const DOUBT_EVERY: Duration = Duration::from_millis(250);
/// Most bytes of one send; IP's limit is 65,535 with its headers.
const SEND_MAX: usize = 60 * 1024;
/// Holds what the kernel joins into one receive.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// A path that is proven both ways.
pub struct Path {
    wire: Arc<Wire>,
    end: End,
}

enum End {
    Hub { peer: SocketAddr, token: Token, number: AtomicU64 },
    Agent(Arc<Mutex<Door<SocketAddr>>>),
}

/// An agent's port that waits for its hub.
pub struct UdpDoor {
    wire: Arc<Wire>,
    door: Arc<Mutex<Door<SocketAddr>>>,
}

impl UdpDoor {
    /// Opens a port as `wish` would have it, and what to tell the hub. None if
    /// nothing is wished. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no socket or no randomness.
    pub fn open(wish: UdpWish) -> io::Result<Option<(Self, Offer)>> {
        let wire = match wish {
            UdpWish::None => return Ok(None),
            UdpWish::Loopback => Wire::bind(Ipv4Addr::LOCALHOST.into())?,
            UdpWish::Anywhere => Wire::bind(Ipv6Addr::UNSPECIFIED.into())
                .or_else(|_| Wire::bind(Ipv4Addr::UNSPECIFIED.into()))?, // a host without IPv6
        };
        let mut token = Token::default();
        crate::io::random(&mut token)?;
        let port = wire.socket.local_addr()?.port();
        let door = Arc::new(Mutex::new(Door::new(token)));
        Ok(Some((Self { wire: Arc::new(wire), door }, Offer { port, token })))
    }

    /// Returns when the hub has come through.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn entered(self) -> io::Result<Path> {
        let mut buffer = vec![0; CARRIER_DATAGRAM_MAX];
        loop {
            let (count, from) = match self.wire.socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) if passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let verdict = lock(&self.door).handle(from, &buffer[..count]);
            match verdict {
                Verdict::Answer(answer) => self.wire.tell(&answer, from).await,
                Verdict::Proven => {
                    return Ok(Path { wire: self.wire, end: End::Agent(self.door) });
                }
                Verdict::Silence | Verdict::Data => {}
            }
        }
    }
}

/// The hub's way in: knocks at `host` until it is answered or `patience` is over.
///
/// # Errors
/// When there is no socket, or no answer in time.
pub async fn knock(host: IpAddr, offer: &Offer, patience: Duration) -> io::Result<Path> {
    let unspecified: IpAddr = match host {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let wire = Wire::bind(unspecified)?;
    let (peer, token) = (SocketAddr::new(host, offer.port), offer.token);
    let deadline = Instant::now() + patience;
    let (mut number, mut pause) = (0, KNOCK_EVERY);
    let mut buffer = vec![0; CARRIER_DATAGRAM_MAX];
    while Instant::now() < deadline {
        number += 1;
        wire.tell(&knock::encode(&token, Kind::Knock, number), peer).await;
        let until = deadline.min(Instant::now() + pause);
        while let Ok(received) =
            tokio::time::timeout_at(until, wire.socket.recv_from(&mut buffer)).await
        {
            let (count, from) = match received {
                Ok(received) => received,
                Err(error) if passing(&error) => continue,
                Err(error) => return Err(error),
            };
            // the newest only: the agent has forgotten the ones before
            if from == peer
                && knock::decode(&token, &buffer[..count]) == Some((Kind::Answer, number))
            {
                wire.tell(&knock::encode(&token, Kind::Come, number), peer).await;
                let end = End::Hub { peer, token, number: AtomicU64::new(number) };
                return Ok(Path { wire: Arc::new(wire), end });
            }
        }
        pause = (pause * 2).min(UDP_CARRIER_SILENCE_MAX);
    }
    let waited = patience.as_secs_f32();
    let reason = format!("nothing answered at UDP {peer} within {waited:.1} s");
    Err(io::Error::new(io::ErrorKind::TimedOut, reason))
}

/// Runs until the path is silent for too long; tells why.
pub(super) async fn run(path: Path, silence_max: Option<Duration>, queues: &Queues) -> String {
    let life =
        Life { heard: Mutex::new(Instant::now()), sent: Notify::new(), spoke: Notify::new() };
    let watching = async {
        match &path.end {
            End::Hub { peer, token, number } => {
                watch(&path.wire, *peer, token, number, &life).await
            }
            End::Agent(_) => match silence_max {
                Some(silence) => silent(&life, silence).await,
                None => std::future::pending().await,
            },
        }
    };
    tokio::select! {
        reason = receive(&path, &life, queues) => reason,
        reason = send(&path, &life, queues) => reason,
        reason = watching => reason,
    }
}

/// Signs of life of one path.
struct Life {
    heard: Mutex<Instant>,
    /// Something was sent.
    sent: Notify,
    /// The peer sent data.
    spoke: Notify,
}

impl Life {
    fn heard(&self) -> Instant {
        *lock(&self.heard)
    }
}

async fn silent(life: &Life, silence: Duration) -> String {
    loop {
        let until = life.heard() + silence;
        if Instant::now() >= until {
            return format!("nothing arrived for {} s", silence.as_secs());
        }
        tokio::time::sleep_until(until).await;
    }
}

/// The hub's watch: says `Come` until the agent speaks, then doubts a path that
/// answers nothing.
async fn watch(
    wire: &Wire,
    peer: SocketAddr,
    token: &Token,
    number: &AtomicU64,
    life: &Life,
) -> String {
    for _ in 0..COME_TIMES {
        let come = knock::encode(token, Kind::Come, number.load(Ordering::Relaxed));
        wire.tell(&come, peer).await;
        if tokio::time::timeout(COME_EVERY, life.spoke.notified()).await.is_ok() {
            break;
        }
    }
    loop {
        life.sent.notified().await;
        let asked = Instant::now();
        while life.heard() < asked {
            tokio::time::sleep(DOUBT_EVERY).await;
            let silence = asked.elapsed();
            if life.heard() >= asked || silence < DOUBT_AFTER {
                continue;
            }
            if silence >= UDP_CARRIER_SILENCE_MAX {
                return format!("nothing came back by UDP for {} s", silence.as_secs());
            }
            let next = number.fetch_add(1, Ordering::Relaxed) + 1;
            wire.tell(&knock::encode(token, Kind::Knock, next), peer).await;
        }
    }
}

async fn receive(path: &Path, life: &Life, queues: &Queues) -> String {
    let mut buffers = vec![vec![0; RECEIVE_BUFFER]; RECEIVES];
    let mut meta = [RecvMeta::default(); RECEIVES];
    let mut frames = Vec::new();
    loop {
        let count = match path.wire.receive(&mut buffers, &mut meta).await {
            Ok(count) => count,
            Err(error) if passing(&error) => continue,
            Err(error) => return format!("receiving failed: {error}"),
        };
        for (buffer, meta) in buffers.iter().zip(&meta).take(count) {
            let stride = meta.stride.max(1);
            for datagram in buffer[..meta.len].chunks(stride) {
                if path.take(meta.addr, datagram, life).await {
                    frame::push(&mut frames, datagram); // an empty one is nothing
                }
            }
        }
        if !frames.is_empty() {
            life.spoke.notify_one();
            if !queues.deliver(&frames) {
                queues.lock().dropped += 1; // as a full socket buffer would
            }
            frames.clear();
        }
    }
}

async fn send(path: &Path, life: &Life, queues: &Queues) -> String {
    let (mut frames, mut batch) = (Vec::new(), Vec::new());
    loop {
        queues.take_outbound(&mut frames).await;
        let Some(peer) = path.peer() else {
            frames.clear();
            continue; // an agent's path has a peer from its first moment
        };
        let mut rest = &frames[..];
        while let Ok(Some((first, _))) = frame::split(rest) {
            let step = first.len();
            let most = path.wire.state.max_gso_segments().clamp(1, (SEND_MAX / step).max(1));
            batch.clear();
            for _ in 0..most {
                let Ok(Some((datagram, after))) = frame::split(rest) else { break };
                if datagram.len() > step {
                    break;
                }
                batch.extend_from_slice(datagram);
                rest = after;
                if datagram.len() < step {
                    break; // only the last one may be short
                }
            }
            if let Err(error) = path.wire.send(&batch, step, peer).await
                && !passing(&error)
            {
                return format!("sending failed: {error}");
            }
        }
        frames.clear();
        frames.shrink_to(SEND_MAX);
        life.sent.notify_one();
    }
}

impl Path {
    fn peer(&self) -> Option<SocketAddr> {
        match &self.end {
            End::Hub { peer, .. } => Some(*peer),
            End::Agent(door) => lock(door).peer(),
        }
    }

    /// Whether a datagram is the connection's; knocks are dealt with here.
    async fn take(&self, from: SocketAddr, datagram: &[u8], life: &Life) -> bool {
        match &self.end {
            End::Agent(door) => {
                let verdict = lock(door).handle(from, datagram);
                match verdict {
                    Verdict::Silence => return false,
                    Verdict::Answer(answer) => {
                        self.wire.tell(&answer, from).await;
                        return false;
                    }
                    Verdict::Proven | Verdict::Data => *lock(&life.heard) = Instant::now(),
                }
                verdict == Verdict::Data
            }
            End::Hub { peer, token, number } => {
                if from != *peer {
                    return false;
                }
                *lock(&life.heard) = Instant::now();
                let Some((kind, answered)) = knock::decode(token, datagram) else { return true };
                if kind == Kind::Answer && answered == number.load(Ordering::Relaxed) {
                    self.wire.tell(&knock::encode(token, Kind::Come, answered), from).await;
                }
                false
            }
        }
    }
}
