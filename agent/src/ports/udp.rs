//! One UDP flow: datagrams between a stream of the link and one address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;

use protocol::io::connection::{ChannelRx, ChannelTx};
use protocol::io::framed::{self, FrameError};
use protocol::io::pump::Cutting;
use protocol::limits::{DATAGRAM_LEN_MAX, UDP_IDLE};
use protocol::wire::port::Datagram;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// A socket that speaks with one address only.
pub(super) struct Flow {
    socket: UdpSocket,
    last: Mutex<Instant>,
}

impl Flow {
    /// Takes the first address that has a route. There is no handshake, so
    /// whether anybody is there shows only later.
    pub(super) async fn open(addresses: &[IpAddr], port: u16) -> io::Result<Self> {
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses {
            match connect(SocketAddr::new(*address, port)).await {
                Ok(socket) => return Ok(Self { socket, last: Mutex::new(Instant::now()) }),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Carries datagrams until the client ends the flow or both sides are
    /// silent for a while.
    pub(super) async fn run(self, tx: ChannelTx, mut rx: ChannelRx) -> Result<(), FrameError> {
        let mut tx = Cutting::new(tx);
        let done = tokio::select! {
            biased;
            done = self.send(&mut rx) => done,
            done = self.receive(&mut tx) => done,
            () = self.silent() => Ok(()),
        };
        if done.is_ok() {
            tx.end().await;
        }
        done
    }

    async fn send(&self, rx: &mut ChannelRx) -> Result<(), FrameError> {
        while let Some(Datagram(body)) = framed::read_optional(rx).await? {
            self.touch();
            let sent = match self.socket.send(&body).await {
                // That tells of an earlier datagram; this one was not sent yet.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    self.socket.send(&body).await
                }
                sent => sent,
            };
            // A datagram that cannot be sent is lost, as on any network.
            if let Err(error) = sent {
                tracing::debug!(%error, len = body.len(), "a datagram was lost");
            }
        }
        Ok(())
    }

    async fn receive(&self, tx: &mut Cutting) -> Result<(), FrameError> {
        let mut buffer = vec![0; DATAGRAM_LEN_MAX];
        loop {
            match self.socket.recv(&mut buffer).await {
                Ok(len) => {
                    self.touch();
                    framed::write(tx.get(), &Datagram(buffer[..len].to_vec())).await?;
                }
                // Nobody listens there yet; the flow goes on, as it would without us.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Instant::now();
    }

    async fn silent(&self) {
        loop {
            let last = *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if last.elapsed() >= UDP_IDLE {
                return;
            }
            tokio::time::sleep_until(last + UDP_IDLE).await;
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}
