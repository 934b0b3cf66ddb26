//! The one frame each way that follows magic and version on a bootstrap channel.
//! After it the channel carries datagrams.

use alloc::string::String;
use minicbor::{Decode, Encode};

/// From the hub.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HubHello {
    /// BLAKE3 of the certificate it will show.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub fingerprint: [u8; 32],
    /// Names the hub's session in the agent's log.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// Whether it would like to come by UDP as well.
    #[n(2)]
    pub udp: UdpWish,
    /// Whether it would like to come by TCP as well, from the agent's own machine: a
    /// tunnel of the target's platform ends there.
    #[n(3)]
    pub tcp: bool,
}

/// What a hub would like of an agent's UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum UdpWish {
    /// The bootstrap channel is enough.
    #[n(0)]
    None,
    /// A port that only this machine reaches: hub and agent share it.
    #[n(1)]
    Loopback,
    /// A port on every address.
    #[n(2)]
    Anywhere,
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AgentHello {
    /// BLAKE3 of the certificate it will show.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub fingerprint: [u8; 32],
    /// Fresh in each agent process.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub instance: [u8; 16],
    /// Its process id, in its own namespace.
    #[n(2)]
    pub pid: u32,
    /// What marks every process that it starts.
    #[n(3)]
    pub marker: String,
    /// This agent still holds the hub's connection: the carrier goes under it.
    #[n(4)]
    pub resumed: bool,
    /// How long it stays without a hub, milliseconds.
    #[n(5)]
    pub grace_ms: u64,
    /// Its Unix socket, for a hub on the same machine.
    #[n(6)]
    pub socket: Option<String>,
    /// Where it listens for this hub's datagrams.
    #[n(7)]
    pub udp: Option<Offer>,
    /// Where it listens for this hub's connection, on its own loopback address.
    #[n(8)]
    pub tcp: Option<Offer>,
}

/// A port that stays silent until a knock made with the token arrives.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Offer {
    /// The port; the address is wherever the hub reaches this agent.
    #[n(0)]
    pub port: u16,
    /// Key of the knock's MAC.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub token: [u8; 32],
}
