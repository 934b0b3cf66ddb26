//! One forward at work: accepts local connections and joins each to a stream of
//! whatever connection is current.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use protocol::io::connection::{Channel, Connection, OpenError};
use protocol::io::framed;
use protocol::io::pump::{self, Counters, CuttingTcp, PumpError};
use protocol::limits::FORWARD_PATIENCE;
use protocol::wire::port::{Dial, Protocol};
use protocol::wire::stream::{Open, Priority};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{ForwardSpec, Port, PortNames};

/// How long to wait when the process has no file descriptor or memory left: they
/// come back when connections end, which nothing announces.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// What one forward's tasks share.
pub(super) struct Forward {
    pub(super) spec: ForwardSpec,
    pub(super) connection_rx: watch::Receiver<Option<Connection>>,
    pub(super) names_rx: watch::Receiver<PortNames>,
    /// Shared by all forwards of the hub.
    pub(super) permits: Arc<Semaphore>,
    pub(super) stats: Arc<Stats>,
    pub(super) cancel: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// Live figures of one forward.
#[derive(Default)]
pub(super) struct Stats {
    pub(super) open: AtomicU64,
    pub(super) total: AtomicU64,
    pub(super) bytes: Counters,
    failure: Mutex<Option<(String, Instant)>>,
}

/// Why a local connection never got a far side.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLink {
    #[error("there was no link to the target for {} s", FORWARD_PATIENCE.as_secs())]
    Patience,
    #[error("the hub is ending")]
    Gone,
    #[error("unable to open a stream")]
    Open(#[source] OpenError),
    #[error("the target has no port named `{name}`; {}", known(names))]
    Port { name: String, names: PortNames },
}

/// Counts a connection or flow as open while it lives.
pub(super) struct Counted(Arc<Stats>);

impl Forward {
    /// Accepts until the forward is removed.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return,
                accepted = self.next(&listener) => accepted,
            };
            let (tcp, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.stats.fail(format!("unable to accept a connection: {error}"));
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let forward = self.clone();
            self.tasks.spawn(async move {
                let _permit = permit;
                let _counted = Counted::new(&forward.stats);
                tokio::select! {
                    biased;
                    () = forward.cancel.cancelled() => {} // dropping the pair cuts both sides
                    () = forward.carry(tcp) => {}
                }
            });
        }
    }

    /// A permit first: past the limit, clients wait in the kernel's queue.
    async fn next(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permits = self.permits.clone().acquire_owned().await;
        let permit = permits.map_err(|_| io::Error::other("the hub is ending"))?;
        let (tcp, _) = listener.accept().await?;
        Ok((tcp, permit))
    }

    async fn carry(&self, tcp: TcpStream) {
        let tcp = CuttingTcp::new(tcp); // a reset says more than an end
        let channel = match self.open().await {
            Ok(channel) => channel,
            Err(error) => return self.stats.fail(chain(&error)),
        };
        let Channel { tx, rx } = channel;
        match pump::tcp(tcp, tx, pump::opened(rx), &self.stats.bytes).await {
            // A client that cuts its own connection is no failure of the forward.
            Ok(()) | Err(PumpError::Local(_)) => {}
            Err(error) => self.stats.fail(chain(&error)),
        }
    }

    /// Opens a stream and asks for the far side, without waiting for the answer.
    pub(super) async fn open(&self) -> Result<Channel, NoLink> {
        let patience = tokio::time::timeout(FORWARD_PATIENCE, self.open_on_any()).await;
        patience.unwrap_or(Err(NoLink::Patience))
    }

    /// What the agent is asked for: names of the target's own ports are known here, those
    /// of services there.
    fn dial(&self) -> Result<Dial, NoLink> {
        let protocol = if self.spec.udp { Protocol::Udp } else { Protocol::Tcp };
        let dial = |port, name| Dial { host: self.spec.name().to_owned(), port, protocol, name };
        match &self.spec.port {
            Port::Number(port) => Ok(dial(*port, None)),
            Port::Name(name) if self.spec.is_own() => {
                let names = self.names_rx.borrow();
                let found = names.iter().find(|(known, _)| known == name);
                found
                    .map(|(_, port)| dial(*port, None))
                    .ok_or_else(|| NoLink::Port { name: name.clone(), names: names.clone() })
            }
            Port::Name(name) => Ok(dial(0, Some(name.clone()))),
        }
    }

    async fn open_on_any(&self) -> Result<Channel, NoLink> {
        let mut connection_rx = self.connection_rx.clone();
        loop {
            let connection = match connection_rx.wait_for(Option::is_some).await {
                Ok(connection) => connection.clone(),
                Err(_) => return Err(NoLink::Gone),
            };
            let Some(connection) = connection else { continue };
            let dial = self.dial()?;
            let opened = async {
                let mut channel = connection.open_raw(Priority::Proxied).await?;
                framed::write(&mut channel.tx, &Open::Dial(dial)).await?;
                Ok(channel)
            };
            match opened.await {
                Ok(channel) => return Ok(channel),
                Err(OpenError::Refused(error)) => {
                    return Err(NoLink::Open(OpenError::Refused(error)));
                }
                // This connection is over; the next one may come.
                Err(OpenError::Closed | OpenError::Frame(_)) => {
                    connection_rx.changed().await.map_err(|_| NoLink::Gone)?;
                }
            }
        }
    }
}

impl Stats {
    /// Remembers the last failure for the status.
    pub(super) fn fail(&self, what: String) {
        tracing::debug!(error = what, "a forwarded connection failed");
        let mut failure = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *failure = Some((what, Instant::now()));
    }

    /// The last failure and how long ago it was.
    pub(super) fn last_error(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (what, at) = failure.as_ref()?;
        Some(format!("{what} ({} s ago)", at.elapsed().as_secs()))
    }
}

impl Counted {
    pub(super) fn new(stats: &Arc<Stats>) -> Self {
        stats.open.fetch_add(1, Ordering::Relaxed);
        stats.total.fetch_add(1, Ordering::Relaxed);
        Self(stats.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What ports the target has.
fn known(names: &PortNames) -> String {
    let names: Vec<_> = names.iter().map(|(name, port)| format!("{name} ({port})")).collect();
    if names.is_empty() {
        "none of its ports has a name".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
