//! Forwarded connections. After [`Opened::Ok`](super::stream::Opened) a TCP
//! stream is raw bytes both ways with half-close kept; a UDP flow is frames,
//! one datagram each.

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Connect from where the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Dial {
    /// A name or an address as the target sees it.
    #[n(0)]
    pub host: String,
    /// The port; 0 where it has a name.
    #[n(1)]
    pub port: u16,
    /// TCP or UDP.
    #[n(2)]
    pub protocol: Protocol,
    /// The name of a port of a service: DNS tells its number (RFC 2782).
    #[n(3)]
    pub name: Option<String>,
}

/// What a name is from where the agent is. The answer is [`Resolved`], behind
/// [`Opened::Ok`](super::stream::Opened).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resolve {
    /// The name.
    #[n(0)]
    pub host: String,
}

/// The addresses of a name, best first, never none.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resolved {
    /// As they are written.
    #[n(0)]
    pub addresses: Vec<String>,
}

/// The transport of a forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Protocol {
    /// A byte stream.
    #[n(0)]
    Tcp,
    /// Datagrams; a flow ends after a while of silence.
    #[n(1)]
    Udp,
}

/// One datagram of a UDP flow, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Datagram(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);
