//! The UDP port that is offered on a bootstrap channel: puts whoever proves to be
//! the hub under its session. Knows nothing of how that is proven.

use protocol::io::carrier::udp::UdpDoor;
use protocol::io::carrier::{Carrier, CarrierSocket, Kind};
use protocol::limits::{CARRIER_SILENCE_MAX, UDP_DOOR_LIFE};
use protocol::wire::hello::{UdpOffer, UdpWish};

use crate::idle::Carriers;

/// A port as the hub would like it; none when the system has none, which costs
/// speed and nothing else.
pub fn open(wish: UdpWish) -> Option<(UdpDoor, UdpOffer)> {
    UdpDoor::open(wish).unwrap_or_else(|error| {
        tracing::info!(%error, "no UDP port to offer");
        None
    })
}

/// Waits for the hub while the stream of `generation` is in use, and a little
/// longer: a hub may leave the stream before its last word by UDP is here.
pub async fn watch(door: UdpDoor, socket: CarrierSocket, generation: u64, carriers: Carriers) {
    let mut status_rx = socket.status();
    let unused = async {
        let mut changed = async |ended: bool| {
            let over = status_rx
                .wait_for(|now| now.generation != generation || (ended && now.ended.is_some()));
            over.await.is_ok_and(|now| now.generation == generation)
        };
        if changed(true).await {
            let _ = tokio::time::timeout(UDP_DOOR_LIFE, changed(false)).await; // either is the end
        }
    };
    let path = tokio::select! {
        () = unused => return,
        entered = door.entered() => match entered {
            Ok(path) => path,
            Err(error) => {
                tracing::info!(%error, "the UDP port failed");
                return;
            }
        },
    };
    let carrier = Carrier {
        name: "udp".into(),
        kind: Kind::Udp(path),
        silence_max: Some(CARRIER_SILENCE_MAX),
        guard: Some(Box::new(carriers.alive())),
    };
    socket.succeed(generation, carrier); // a newer stream goes before
}
