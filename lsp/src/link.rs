//! The link to one agent: opens carriers, keeps the connection alive, tells who
//! listens. What to do when is decided by [`protocol::link::Machine`]; this is
//! its hands.

use std::sync::Arc;
use std::time::Duration;

use protocol::io::connection::Connection;
use protocol::io::identity::Identity;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::carrier::Bootstrap;
use crate::ports::PortNames;
pub use better::Passed;

mod better;
mod control;
mod dial;
mod driver;
mod waits;

/// A running link. Cheap to clone; with the last clone the link is closed and the
/// agent is left to its grace time.
#[derive(Clone)]
pub struct Link {
    connection_rx: watch::Receiver<Option<Connection>>,
    state_rx: watch::Receiver<LinkState>,
    carrier_rx: watch::Receiver<CarrierInfo>,
    /// handle --command--> driver
    command_tx: mpsc::Sender<Command>,
    bootstrap: Arc<dyn Bootstrap>,
}

enum Command {
    /// End the agent, then the link; answered when both are done.
    Shutdown { patience: Duration, done_tx: oneshot::Sender<()> },
    /// Cut the carrier.
    KillCarrier,
}

/// What carries the link, and how often that changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CarrierInfo {
    /// Its name, while there is one.
    pub name: Option<String>,
    /// Carriers so far, over all connections.
    pub carriers: u64,
    /// Carriers that were put under a living connection.
    pub resumes: u64,
    /// Connections so far: more than one when the agent was started again.
    pub connections: u64,
    /// From the loss of the last carrier to the first answer over the next,
    /// microseconds.
    pub last_resume_us: Option<u64>,
    /// The agent's process id, in its own namespace.
    pub agent_pid: Option<u32>,
}

/// Why a link could not even be tried.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No keys.
    #[error("unable to make this hub's keys: {0}")]
    Keys(String),
}

/// How the link is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Link"))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LinkState {
    /// The first carrier is being opened.
    Connecting {
        /// What is being done: `starting the agent`, `handshake`.
        step: String,
    },
    /// Data flows.
    Up {
        /// Which carrier.
        carrier: String,
        /// The channel that the agent was last reached by, and where it is.
        bootstrap: String,
        /// Smoothed round trip, microseconds.
        rtt_us: u64,
        /// Why it is not a better one.
        passed: Passed,
    },
    /// The carrier is gone and a new one is being opened; streams wait.
    Reconnecting {
        /// Why the last one ended.
        reason: String,
        /// Attempts so far.
        attempt: u32,
    },
    /// Given up: what was tried, why it failed and what to do.
    Down {
        /// A full sentence for people.
        reason: String,
    },
}

impl Link {
    /// Starts a link through `bootstrap`. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no randomness. Whatever else fails is in
    /// [`Link::state`].
    pub fn start(bootstrap: impl Bootstrap) -> Result<Self, StartError> {
        let keys = |error: &dyn std::error::Error| StartError::Keys(error.to_string());
        let identity = Identity::generate().map_err(|error| keys(&error))?;
        let mut session = [0; 16];
        protocol::io::random(&mut session).map_err(|error| keys(&error))?;
        let hub = Arc::new(dial::Hub { identity, session });
        let (connection_tx, connection_rx) = watch::channel(None);
        let (state_tx, state_rx) =
            watch::channel(LinkState::Connecting { step: "starting the agent".into() });
        let (carrier_tx, carrier_rx) = watch::channel(CarrierInfo::default());
        let (command_tx, command_rx) = mpsc::channel(8);
        let out = driver::Out { connection_tx, state_tx, carrier_tx };
        let bootstrap: Arc<dyn Bootstrap> = Arc::new(bootstrap);
        tokio::spawn(driver::run(bootstrap.clone(), hub, out, command_rx));
        Ok(Self { connection_rx, state_rx, carrier_rx, command_tx, bootstrap })
    }

    /// The connection: `Some` from the first handshake on, also while carriers
    /// are swapped; replaced when the agent itself had to be started again.
    pub fn connection(&self) -> watch::Receiver<Option<Connection>> {
        self.connection_rx.clone()
    }

    /// How the link is.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state_rx.clone()
    }

    /// The target's ports that have names.
    pub fn port_names(&self) -> PortNames {
        self.bootstrap.port_names()
    }

    /// What carries it.
    pub fn carrier(&self) -> watch::Receiver<CarrierInfo> {
        self.carrier_rx.clone()
    }

    /// Cuts the carrier, as a lost network would: for tests and `doctor`.
    pub async fn kill_carrier(&self) {
        let _ = self.command_tx.send(Command::KillCarrier).await; // down has none
    }

    /// Asks the agent to end and remove its traces, waits at most `patience`,
    /// then closes the link.
    pub async fn shutdown(&self, patience: Duration) {
        let (done_tx, done_rx) = oneshot::channel();
        if self.command_tx.send(Command::Shutdown { patience, done_tx }).await.is_ok() {
            let _ = done_rx.await; // a driver that is gone is done
        }
    }
}
