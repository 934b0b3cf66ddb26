//! Forwards: remote ports on localhost.

use std::net::SocketAddr;

use protocol::io::connection::Connection;
use serde::Serialize;
use tokio::sync::watch;

/// What a user asks for: `PORT`, `LOCAL:REMOTE`, `HOST:PORT` or
/// `LOCAL:HOST:PORT`, with `/udp` behind it for datagrams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSpec {
    /// The local port wanted; 0 for any.
    pub local: u16,
    /// A name or address as the target sees it.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// Datagrams instead of connections.
    pub udp: bool,
}

/// Why a forward could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The text is no forward.
    #[error("`{text}` is no forward: {reason}")]
    Malformed {
        /// What was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// The local port is taken and another one was ruled out.
    #[error("local port {port} is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The operating system refused.
    #[error("unable to listen on local port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no such forward.
    #[error("there is no forward `{text}`")]
    Unknown {
        /// What was given.
        text: String,
    },
}

/// One open forward.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForwardStatus {
    /// As the user wrote it, normalised: `8080`, `9090:db:5432/udp`.
    pub spec: String,
    /// Where it listens, IPv4 first.
    pub local: Vec<SocketAddr>,
    /// `HOST:PORT` as the target sees it.
    pub remote: String,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Set when the wanted local port was taken: that port.
    pub instead_of: Option<u16>,
    /// Connections open now.
    pub open: u64,
    /// Connections so far.
    pub total: u64,
    /// Bytes to the target so far.
    pub bytes_out: u64,
    /// Bytes from the target so far.
    pub bytes_in: u64,
    /// The last failure, if any, with its time gone by.
    pub last_error: Option<String>,
}

/// All forwards of one hub. Cheap to clone.
#[derive(Clone)]
pub struct Forwards {
    _connection_rx: watch::Receiver<Option<Connection>>,
}

impl std::str::FromStr for ForwardSpec {
    type Err = ForwardError;

    fn from_str(text: &str) -> Result<Self, ForwardError> {
        Err(ForwardError::Malformed { text: text.to_owned(), reason: "not built yet".to_owned() })
    }
}

impl Forwards {
    /// No forwards yet; connections go to whatever connection is current.
    pub fn new(connection_rx: watch::Receiver<Option<Connection>>) -> Self {
        Self { _connection_rx: connection_rx }
    }

    /// Opens a forward. With `strict` a taken local port is an error, else the
    /// next free one is used.
    ///
    /// # Errors
    /// See [`ForwardError`].
    pub async fn add(
        &self,
        spec: ForwardSpec,
        strict: bool,
    ) -> Result<ForwardStatus, ForwardError> {
        let _ = strict;
        Err(ForwardError::PortTaken { port: spec.local })
    }

    /// Closes a forward, named by its spec or by its local port.
    ///
    /// # Errors
    /// [`ForwardError::Unknown`].
    pub async fn remove(&self, text: &str) -> Result<ForwardStatus, ForwardError> {
        Err(ForwardError::Unknown { text: text.to_owned() })
    }

    /// All of them, in the order they were opened.
    pub fn list(&self) -> Vec<ForwardStatus> {
        Vec::new()
    }
}
