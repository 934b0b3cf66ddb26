//! Takes bootstrap channels from the agent's Unix socket and puts each under the
//! session of the hub that speaks on it. Knows nothing of what runs in a
//! session.
//!
//! A client of the socket first sends one byte: [`DIRECT`], and the socket is
//! the channel; or [`HANDED`] with two descriptors beside it, which are the
//! channel, and the socket is the lease: whoever closes it ends the carrier.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::io::carrier::{Carrier, Datagrams, Kind};
use protocol::io::hello::{self, HelloError};
use protocol::io::identity::{Fingerprint, Identity};
use protocol::io::quic::{Endpoint, QuicError};
use protocol::limits::{CARRIER_SILENCE_MAX, HELLO_TIMEOUT, HELLOS_MAX, SESSIONS_MAX};
use protocol::wire::hello::{AgentHello, HubHello};
use rustix::fs::FileType;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest};
use tokio::net::{UnixListener, UnixStream, unix};
use tokio::sync::Semaphore;

use crate::door::Doors;
use crate::idle::Carriers;
use crate::router::Router;

/// The socket itself carries the channel.
pub const DIRECT: u8 = b'D';
/// Two descriptors come along: read from the first, write to the second.
pub const HANDED: u8 = b'F';

/// What a pipe is asked to hold: with the usual 64 KiB a stream stops after four
/// datagrams.
const PIPE_SIZE: usize = 1024 * 1024;

/// Why a channel was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Another user's process.
    #[error("user {uid} may not speak to this agent")]
    Foreign {
        /// Whose.
        uid: u32,
    },
    /// Not a client of this socket.
    #[error("the client did not say how it speaks")]
    Opening,
    /// No hello.
    #[error("no hello")]
    Hello(#[from] HelloError),
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[from] io::Error),
}

/// The sessions of one agent. Cheap to clone.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    router: Router,
    identity: Identity,
    instance: [u8; 16],
    grace: Duration,
    socket: PathBuf,
    carriers: Carriers,
    hellos: Semaphore,
    open: Mutex<Vec<Session>>,
}

struct Session {
    hub: Fingerprint,
    endpoint: Endpoint,
}

/// One bootstrap channel.
struct Channel {
    name: &'static str,
    rx: Box<dyn AsyncRead + Send + Unpin>,
    tx: Box<dyn AsyncWrite + Send + Unpin>,
    lease: Option<UnixStream>,
}

impl Sessions {
    /// None yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(
        router: Router,
        instance: [u8; 16],
        grace: Duration,
        socket: PathBuf,
    ) -> Result<Self, QuicError> {
        Ok(Self(Arc::new(Shared {
            router,
            identity: Identity::generate()?,
            instance,
            grace,
            socket,
            carriers: Carriers::new(),
            hellos: Semaphore::new(HELLOS_MAX),
            open: Mutex::new(Vec::new()),
        })))
    }

    /// Counts the live carriers.
    pub fn carriers(&self) -> &Carriers {
        &self.0.carriers
    }

    /// Takes channels for ever.
    pub async fn listen(&self, listener: UnixListener) {
        loop {
            let Ok(_turn) = self.0.hellos.acquire().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let sessions = self.clone();
                    tokio::spawn(async move {
                        if let Err(error) = sessions.take(stream).await {
                            tracing::warn!(error = %crate::chain(&error), "a channel was refused");
                        }
                    });
                }
                Err(error) => {
                    // out of descriptors, mostly: let some go before the next
                    tracing::warn!(%error, "unable to accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Ends every session and tells the hubs, as far as carriers are there.
    pub async fn close(&self, reason: &str, patience: Duration) {
        let open = std::mem::take(&mut *self.lock());
        for session in open {
            let _ = tokio::time::timeout(patience, session.endpoint.close(reason)).await;
        }
    }

    async fn take(&self, stream: UnixStream) -> Result<(), AcceptError> {
        let Ok(_turn) = self.0.hellos.acquire().await else { return Ok(()) };
        let uid = stream.peer_cred()?.uid();
        if uid != rustix::process::geteuid().as_raw() {
            return Err(AcceptError::Foreign { uid });
        }
        let opening = tokio::time::timeout(HELLO_TIMEOUT, open(stream)).await;
        let Channel { name, mut rx, mut tx, lease } =
            opening.unwrap_or(Err(AcceptError::Opening))?;
        let (endpoint, doors) =
            hello::agent(&mut rx, &mut tx, async |hello| self.answer(&hello)).await?;
        let alive = self.0.carriers.alive();
        let (lease_rx, lease_tx) = lease.map(UnixStream::into_split).unzip();
        let generation = endpoint.socket().replace(Carrier {
            name: name.to_owned(),
            kind: Kind::Stream { rx, tx },
            silence_max: Some(CARRIER_SILENCE_MAX),
            guard: Some(Box::new((alive, lease_tx))),
        });
        tokio::spawn(doors.watch(endpoint.clone(), generation, self.0.carriers.clone()));
        if let Some(mut lease_rx) = lease_rx {
            // a handed pipe may stay open somewhere when its owner is gone
            let socket = endpoint.socket().clone();
            tokio::spawn(async move {
                let _ = lease_rx.read(&mut [0]).await; // anything at all is its end
                socket.end(generation, "the attach process ended");
            });
        }
        Ok(())
    }

    fn answer(&self, hello: &HubHello) -> Result<(AgentHello, (Endpoint, Doors)), HelloError> {
        let (endpoint, resumed) =
            self.session(hello).map_err(|error| io::Error::other(error.to_string()))?;
        let (doors, offers) = Doors::open(hello);
        let shared = &self.0;
        let answer = AgentHello {
            fingerprint: shared.identity.fingerprint(),
            instance: shared.instance,
            pid: std::process::id(),
            marker: shared.router.context.marker.clone(),
            resumed,
            grace_ms: u64::try_from(shared.grace.as_millis()).unwrap_or(u64::MAX),
            socket: shared.socket.to_str().map(str::to_owned),
            udp: offers.udp,
            tcp: offers.tcp,
        };
        Ok((answer, (endpoint, doors)))
    }

    /// The session of the hub that said `hello`, and whether its connection still lives.
    fn session(&self, hello: &HubHello) -> Result<(Endpoint, bool), QuicError> {
        let hub = hello.fingerprint;
        let mut open = self.lock();
        if let Some(session) = open.iter().find(|session| session.hub == hub) {
            session.endpoint.prepare(Datagrams::ForStreams)?; // until it comes by UDP
            return Ok((session.endpoint.clone(), session.endpoint.in_use()));
        }
        if open.len() >= SESSIONS_MAX {
            let gone =
                |session: &Session| session.endpoint.socket().status().borrow().name.is_none();
            let Some(oldest) = open.iter().position(gone) else {
                let reason = format!("{SESSIONS_MAX} hubs use this agent already");
                return Err(QuicError::Setup { reason });
            };
            let session = open.remove(oldest);
            tokio::spawn(async move { session.endpoint.close("too many hubs").await });
        }
        let endpoint = Endpoint::server(&self.0.identity, hub)?;
        tokio::spawn(serve(endpoint.clone(), self.0.router.clone()));
        open.push(Session { hub, endpoint: endpoint.clone() });
        Ok((endpoint, false))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner) // a list is never half made
    }
}

/// Serves whatever connections one hub makes.
async fn serve(endpoint: Endpoint, router: Router) {
    while let Some(connection) = endpoint.accept().await {
        let router = router.clone();
        tokio::spawn(async move { router.serve(connection).await });
    }
}

/// Reads how the client speaks.
async fn open(stream: UnixStream) -> Result<Channel, AcceptError> {
    let (kind, mut handed) = loop {
        stream.readable().await?;
        match stream.try_io(Interest::READABLE, || receive_opening(&stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => break received?,
        }
    };
    match (kind, handed.len()) {
        (Some(DIRECT), 0) => {
            let (rx, tx) = stream.into_split();
            Ok(Channel { name: "unix socket", rx: Box::new(rx), tx: Box::new(tx), lease: None })
        }
        (Some(HANDED), 2) => {
            let (tx, rx) = (handed.pop(), handed.pop());
            let (Some(tx), Some(rx)) = (tx, rx) else { return Err(AcceptError::Opening) };
            let lease = Some(stream);
            Ok(Channel { name: "stdio", rx: reader(rx)?, tx: writer(tx)?, lease })
        }
        _ => Err(AcceptError::Opening),
    }
}

fn receive_opening(stream: &UnixStream) -> io::Result<(Option<u8>, Vec<OwnedFd>)> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut byte)];
    let received = recvmsg(stream, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut handed = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            handed.extend(fds);
        }
    }
    Ok(((received.bytes == 1).then_some(byte[0]), handed))
}

/// An exec's standard input is a pipe or a socket; a terminal or a file is
/// possible and read by a thread.
fn reader(fd: OwnedFd) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    Ok(match file_type(&fd)? {
        FileType::Fifo => {
            let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_SIZE); // a bonus
            Box::new(unix::pipe::Receiver::from_owned_fd(fd)?)
        }
        FileType::Socket => Box::new(socket(fd)?),
        _ => Box::new(tokio::fs::File::from_std(File::from(fd))),
    })
}

fn writer(fd: OwnedFd) -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    Ok(match file_type(&fd)? {
        FileType::Fifo => {
            let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_SIZE); // a bonus
            Box::new(unix::pipe::Sender::from_owned_fd(fd)?)
        }
        FileType::Socket => Box::new(socket(fd)?),
        _ => Box::new(tokio::fs::File::from_std(File::from(fd))),
    })
}

fn file_type(fd: &impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(fd);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
