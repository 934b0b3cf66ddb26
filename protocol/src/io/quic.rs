//! QUIC endpoints over a [`CarrierSocket`]: transport settings, and who may
//! connect to whom. Beside `connection.rs`, `carrier.rs` and `congestion.rs` the
//! only place that names quinn.

use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{EndpointConfig, IdleTimeout, TransportConfig, VarInt};

use super::carrier::{ADDRESS, Carrier, CarrierSocket, Datagrams, Kind};
use super::congestion::DelayBound;
use super::connection::Connection;
use super::identity::{Fingerprint, Identity, NAME};
use crate::limits::{
    CARRIER_DATAGRAM_MAX, CONNECTION_WINDOW, LINK_IDLE_TIMEOUT, SEND_WINDOW, STREAM_WINDOW,
    STREAMS_MAX, UDP_DATAGRAM_MAX,
};

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// No key pair.
    #[error("unable to make a key pair: {reason}")]
    Key {
        /// Why.
        reason: String,
    },
    /// TLS refused the settings.
    #[error("unable to set up TLS")]
    Tls(#[from] rustls::Error),
    /// The endpoint could not be made.
    #[error("unable to set up QUIC: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
    /// The handshake failed.
    #[error("the handshake with the peer failed: {reason}")]
    Handshake {
        /// Why.
        reason: String,
    },
}

/// One end, alive as long as its connections or this handle.
#[derive(Clone)]
pub struct Endpoint {
    inner: quinn::Endpoint,
    socket: CarrierSocket,
    /// What those who come in are met with; none where nobody can.
    server: Option<quinn::ServerConfig>,
}

impl Endpoint {
    /// The end that connects to `peer`: the hub's.
    ///
    /// # Errors
    /// See [`QuicError`].
    pub fn client(
        identity: &Identity,
        peer: Fingerprint,
        datagrams: Datagrams,
    ) -> Result<Self, QuicError> {
        let socket = CarrierSocket::new();
        let mut inner = endpoint(&socket, None)?;
        let tls = QuicClientConfig::try_from(identity.client(peer)?)
            .map_err(|error| QuicError::Setup { reason: error.to_string() })?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::new(transport(&socket, datagrams)?));
        inner.set_default_client_config(config);
        Ok(Self { inner, socket, server: None })
    }

    /// The end that only `peer` can connect to: the agent's. Its datagrams are for
    /// streams, unless [`Endpoint::prepare`] says otherwise.
    ///
    /// # Errors
    /// See [`QuicError`].
    pub fn server(identity: &Identity, peer: Fingerprint) -> Result<Self, QuicError> {
        let socket = CarrierSocket::new();
        let tls = QuicServerConfig::try_from(identity.server(peer)?)
            .map_err(|error| QuicError::Setup { reason: error.to_string() })?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(Arc::new(transport(&socket, Datagrams::ForStreams)?));
        config.migration(false); // addresses never change here; carriers do
        config.max_incoming(8); // one hub holds the carrier
        config.incoming_buffer_size(64 * CARRIER_DATAGRAM_MAX as u64);
        config.incoming_buffer_size_total(64 * CARRIER_DATAGRAM_MAX as u64);
        let inner = endpoint(&socket, Some(config.clone()))?;
        Ok(Self { inner, socket, server: Some(config) })
    }

    /// Connections that others begin from now on have datagrams of this size.
    ///
    /// # Errors
    /// See [`QuicError`].
    pub fn prepare(&self, datagrams: Datagrams) -> Result<(), QuicError> {
        if let Some(mut config) = self.server.clone() {
            config.transport_config(Arc::new(transport(&self.socket, datagrams)?));
            self.inner.set_server_config(Some(config));
        }
        Ok(())
    }

    /// Where carriers are put in.
    pub fn socket(&self) -> &CarrierSocket {
        &self.socket
    }

    /// Whether a connection lives here, with or without a carrier.
    pub fn in_use(&self) -> bool {
        self.inner.open_connections() > 0
    }

    /// Connects through whatever carrier is there.
    ///
    /// # Errors
    /// [`QuicError::Handshake`].
    pub async fn connect(&self) -> Result<Connection, QuicError> {
        let connecting = self
            .inner
            .connect(ADDRESS, NAME)
            .map_err(|error| QuicError::Setup { reason: error.to_string() })?;
        let connection =
            connecting.await.map_err(|error| QuicError::Handshake { reason: error.to_string() })?;
        Ok(Connection::quic(connection))
    }

    /// The peer's next connection, authenticated; `None` when the endpoint is
    /// closed.
    pub async fn accept(&self) -> Option<Connection> {
        loop {
            let incoming = self.inner.accept().await?;
            match incoming.await {
                Ok(connection) => return Some(Connection::quic(connection)),
                Err(error) => tracing::warn!(%error, "a handshake failed"),
            }
        }
    }

    /// Ends every connection and tells the peer, if a carrier is there.
    pub async fn close(&self, reason: &str) {
        self.inner.close(0u32.into(), reason.as_bytes());
        self.inner.wait_idle().await;
    }
}

fn endpoint(
    socket: &CarrierSocket,
    server: Option<quinn::ServerConfig>,
) -> Result<quinn::Endpoint, QuicError> {
    let setup = |reason: String| QuicError::Setup { reason };
    let mut config = EndpointConfig::default();
    let datagram = u16::try_from(CARRIER_DATAGRAM_MAX).map_err(|error| setup(error.to_string()))?;
    config.max_udp_payload_size(datagram).map_err(|error| setup(error.to_string()))?;
    quinn::Endpoint::new_with_abstract_socket(
        config,
        server,
        Arc::new(socket.clone()),
        Arc::new(quinn::TokioRuntime),
    )
    .map_err(|error| setup(error.to_string()))
}

/// Round trips after which a packet is lost that others overtook. The usual 9/8
/// is less than what mobile networks reorder, of which the smoothed round trip is
/// the shorter the more of it there is.
const REORDERED_FOR: f32 = 2.0;

fn transport(socket: &CarrierSocket, datagrams: Datagrams) -> Result<TransportConfig, QuicError> {
    let setup = |reason: String| QuicError::Setup { reason };
    let idle = IdleTimeout::try_from(LINK_IDLE_TIMEOUT).map_err(|e| setup(e.to_string()))?;
    let datagram = match datagrams {
        Datagrams::ForStreams => CARRIER_DATAGRAM_MAX,
        Datagrams::ForUdp => UDP_DATAGRAM_MAX,
    };
    let datagram = u16::try_from(datagram).map_err(|e| setup(e.to_string()))?;
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(None) // the link pings; QUIC's own would wake idle machines
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        // the smallest is the largest: a burst lost in a swap must not look like
        // a black hole and shrink datagrams for good
        .initial_mtu(datagram)
        .min_mtu(datagram)
        .mtu_discovery_config(None)
        .congestion_controller_factory(Arc::new(DelayBound::new(socket.epoch())));
    if datagrams == Datagrams::ForUdp {
        // a network reorders: one packet that overtakes must not look like the
        // loss of all that it overtook, so only time tells what is lost
        config.packet_threshold(u32::MAX).time_threshold(REORDERED_FOR);
    }
    Ok(config)
}

/// Two ends of a real connection in this process, over memory: for tests and
/// benches of whatever runs on a link.
pub struct Pair {
    /// The hub's connection.
    pub hub: Connection,
    /// The agent's.
    pub agent: Connection,
    /// The hub's endpoint; its socket takes other carriers.
    pub hub_endpoint: Endpoint,
    /// The agent's.
    pub agent_endpoint: Endpoint,
}

/// Makes a [`Pair`].
///
/// # Errors
/// See [`QuicError`].
pub async fn pair() -> Result<Pair, QuicError> {
    let (hub_id, agent_id) = (Identity::generate()?, Identity::generate()?);
    let hub_endpoint = Endpoint::client(&hub_id, agent_id.fingerprint(), Datagrams::ForStreams)?;
    let agent_endpoint = Endpoint::server(&agent_id, hub_id.fingerprint())?;
    let (hub_end, agent_end) = tokio::io::duplex(256 * 1024);
    hub_endpoint.socket().replace(stream_carrier("memory", hub_end));
    agent_endpoint.socket().replace(stream_carrier("memory", agent_end));
    let (hub, agent) = tokio::join!(hub_endpoint.connect(), agent_endpoint.accept());
    let agent = agent.ok_or(QuicError::Handshake { reason: "the endpoint is closed".into() })?;
    Ok(Pair { hub: hub?, agent, hub_endpoint, agent_endpoint })
}

/// A carrier over a two-way byte stream.
pub fn stream_carrier(
    name: &str,
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
) -> Carrier {
    let (rx, tx) = tokio::io::split(stream);
    let kind = Kind::Stream { rx: Box::new(rx), tx: Box::new(tx) };
    Carrier { name: name.to_owned(), kind, silence_max: None, guard: None }
}

#[cfg(test)]
mod tests;
