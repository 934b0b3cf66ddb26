//! Forwards: remote ports on localhost.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

use protocol::io::connection::Connection;
use protocol::limits::FORWARDED_MAX;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use listen::{Bound, Listening};
use serve::{Forward, Stats};

mod listen;
mod serve;
mod spec;
mod udp;

/// What a user asks for: `PORT`, `LOCAL:REMOTE`, `HOST:PORT` or
/// `LOCAL:HOST:PORT`, with `/udp` behind it for datagrams. A remote port may have a
/// name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSpec {
    /// The local port wanted; 0 for any.
    pub local: u16,
    /// A name or address as the target sees it.
    pub host: String,
    /// The port there.
    pub port: Port,
    /// Datagrams instead of connections.
    pub udp: bool,
}

/// A remote port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// By its number, never 0.
    Number(u16),
    /// By the name that the target's platform gives it.
    Name(String),
}

/// The numbers of the target's own ports by their names.
pub type PortNames = Vec<(String, u16)>;

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
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Forward"))]
pub struct ForwardStatus {
    /// As the user wrote it, normalised: `8080`, `9090:db:5432/udp`.
    pub spec: String,
    /// Where it listens, IPv4 first.
    pub local: Vec<SocketAddr>,
    /// `HOST:PORT` as the target sees it.
    pub remote: String,
    /// What it carries.
    pub protocol: ForwardProtocol,
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

/// What a forward carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ForwardProtocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// All forwards of one hub. Cheap to clone; dropping the last clone closes them.
#[derive(Clone)]
pub struct Forwards(Arc<Inner>);

struct Inner {
    connection_rx: watch::Receiver<Option<Connection>>,
    names_rx: watch::Receiver<PortNames>,
    permits: Arc<Semaphore>,
    table: Mutex<Vec<Entry>>,
}

struct Entry {
    spec: ForwardSpec,
    local: Vec<SocketAddr>,
    instead_of: Option<u16>,
    stats: Arc<Stats>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Forwards {
    /// No forwards yet; connections go to whatever connection is current.
    pub fn new(
        connection_rx: watch::Receiver<Option<Connection>>,
        names_rx: watch::Receiver<PortNames>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(FORWARDED_MAX));
        Self(Arc::new(Inner { connection_rx, names_rx, permits, table: Mutex::default() }))
    }

    /// Opens a forward. With `strict` a taken local port is an error, else the
    /// next free one is used. The same forward again is the one that is open.
    ///
    /// # Errors
    /// See [`ForwardError`].
    pub async fn add(
        &self,
        spec: ForwardSpec,
        strict: bool,
    ) -> Result<ForwardStatus, ForwardError> {
        let mut table = self.0.table();
        if let Some(entry) = table.iter().find(|entry| entry.spec == spec && spec.local != 0) {
            return Ok(entry.status());
        }
        let Listening { bound, local, instead_of } = listen::bind(&spec, strict)?;
        let entry = Entry {
            local,
            instead_of,
            stats: Arc::default(),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            spec,
        };
        let forward = Arc::new(Forward {
            spec: entry.spec.clone(),
            connection_rx: self.0.connection_rx.clone(),
            names_rx: self.0.names_rx.clone(),
            permits: self.0.permits.clone(),
            stats: entry.stats.clone(),
            cancel: entry.cancel.clone(),
            tasks: entry.tasks.clone(),
        });
        match bound {
            Bound::Tcp(listeners) => {
                for listener in listeners {
                    entry.tasks.spawn(forward.clone().accept(listener));
                }
            }
            Bound::Udp(sockets) => {
                for socket in sockets {
                    entry.tasks.spawn(forward.clone().receive(socket));
                }
            }
        }
        let status = entry.status();
        table.push(entry);
        Ok(status)
    }

    /// Closes a forward, named by its spec or by its local port, and cuts its
    /// open connections.
    ///
    /// # Errors
    /// [`ForwardError::Unknown`].
    pub async fn remove(&self, text: &str) -> Result<ForwardStatus, ForwardError> {
        let entry = {
            let mut table = self.0.table();
            // A listening port wins over a spec that reads the same: it is what the
            // user sees.
            let index = table
                .iter()
                .position(|entry| entry.listens_on(text))
                .or_else(|| table.iter().position(|entry| entry.is_spec(text)));
            match index {
                Some(index) => table.remove(index),
                None => return Err(ForwardError::Unknown { text: text.to_owned() }),
            }
        };
        entry.cancel.cancel();
        entry.tasks.close();
        entry.tasks.wait().await;
        Ok(entry.status())
    }

    /// All of them, in the order they were opened.
    pub fn list(&self) -> Vec<ForwardStatus> {
        self.0.table().iter().map(Entry::status).collect()
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.table.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for entry in self.table().iter() {
            entry.cancel.cancel();
        }
    }
}

impl Entry {
    fn listens_on(&self, text: &str) -> bool {
        let port = self.local.first().map(SocketAddr::port);
        port.is_some_and(|port| text.trim().parse() == Ok(port))
    }

    fn is_spec(&self, text: &str) -> bool {
        text.parse::<ForwardSpec>().is_ok_and(|spec| spec == self.spec)
    }

    fn status(&self) -> ForwardStatus {
        let read = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
        ForwardStatus {
            spec: self.spec.to_string(),
            local: self.local.clone(),
            remote: self.spec.remote(),
            protocol: if self.spec.udp { ForwardProtocol::Udp } else { ForwardProtocol::Tcp },
            instead_of: self.instead_of,
            open: read(&self.stats.open),
            total: read(&self.stats.total),
            bytes_out: read(&self.stats.bytes.to_link),
            bytes_in: read(&self.stats.bytes.from_link),
            last_error: self.stats.last_error(),
        }
    }
}
