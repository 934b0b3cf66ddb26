//! The ports that are offered on a bootstrap channel: puts whoever proves to be the
//! hub under its session. Knows nothing of how that is proven.

use std::io;
use std::pin::Pin;

use protocol::io::carrier::tcp::TcpDoor;
use protocol::io::carrier::udp::{self, UdpDoor};
use protocol::io::carrier::{Carrier, CarrierStatus, Datagrams, Kind};
use protocol::io::quic::Endpoint;
use protocol::limits::{CARRIER_SILENCE_MAX, UDP_DOOR_LIFE};
use protocol::wire::hello::{HubHello, Offer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::idle::Carriers;

/// The ports of one channel.
pub struct Doors {
    udp: Option<UdpDoor>,
    tcp: Option<TcpDoor>,
}

/// What the hub is told of them.
pub struct Offers {
    /// For datagrams.
    pub udp: Option<Offer>,
    /// For a stream.
    pub tcp: Option<Offer>,
}

impl Doors {
    /// Ports as the hub would like them; none where the system has none, which costs
    /// speed and nothing else.
    pub fn open(hello: &HubHello) -> (Self, Offers) {
        let (udp, udp_offer) = opened(UdpDoor::open(hello.udp)).unzip();
        let (tcp, tcp_offer) = opened(hello.tcp.then(TcpDoor::open).transpose()).unzip();
        (Self { udp, tcp }, Offers { udp: udp_offer, tcp: tcp_offer })
    }

    /// Waits for the hub while the stream of `generation`, or what came in after it, is
    /// in use, and a little longer: a hub may leave a stream before its last word is
    /// here. Over UDP nothing better comes.
    pub async fn watch(self, endpoint: Endpoint, mut generation: u64, carriers: Carriers) {
        let mut udp = self.udp.map(|door| Box::pin(door.entered()));
        let mut tcp = self.tcp.map(|door| Box::pin(door.entered()));
        let socket = endpoint.socket();
        while udp.is_some() || tcp.is_some() {
            let mut status_rx = socket.status();
            let (name, kind) = tokio::select! {
                () = unused(&mut status_rx, generation) => return,
                path = some(&mut udp) => match path {
                    Ok(path) => ("udp", by_udp(&endpoint, path)),
                    Err(error) => {
                        tracing::info!(%error, "the UDP port failed");
                        continue;
                    }
                },
                stream = some(&mut tcp) => ("port-forward", by_tcp(stream)),
            };
            let carrier = Carrier {
                name: name.into(),
                kind,
                silence_max: Some(CARRIER_SILENCE_MAX),
                guard: Some(Box::new(carriers.alive())),
            };
            let Some(next) = socket.succeed(generation, carrier) else { return }; // a newer stream
            generation = next;
            if name == "udp" {
                return;
            }
        }
    }
}

fn opened<T>(door: io::Result<Option<T>>) -> Option<T> {
    door.unwrap_or_else(|error| {
        tracing::info!(%error, "no port to offer");
        None
    })
}

fn by_tcp(stream: TcpStream) -> Kind {
    let (rx, tx) = stream.into_split();
    Kind::Stream { rx: Box::new(rx), tx: Box::new(tx) }
}

/// A connection that begins here will go by UDP; one that lives keeps what it has.
fn by_udp(endpoint: &Endpoint, path: udp::Path) -> Kind {
    if let Err(error) = endpoint.prepare(Datagrams::ForUdp) {
        tracing::warn!(%error, "unable to prepare for UDP");
    }
    Kind::Udp(path)
}

/// Returns a while after the carrier of `generation` ended, at once after another one
/// came.
async fn unused(status_rx: &mut watch::Receiver<CarrierStatus>, generation: u64) {
    let mut changed = async |ended: bool| {
        let over = status_rx
            .wait_for(|now| now.generation != generation || (ended && now.ended.is_some()));
        over.await.is_ok_and(|now| now.generation == generation)
    };
    if changed(true).await {
        let _ = tokio::time::timeout(UDP_DOOR_LIFE, changed(false)).await; // either is the end
    }
}

/// What a future comes to, which is then gone; never, where there is none.
async fn some<T>(future: &mut Option<Pin<Box<impl Future<Output = T>>>>) -> T {
    let Some(waiting) = future else { return std::future::pending().await };
    let result = waiting.await;
    *future = None;
    result
}
