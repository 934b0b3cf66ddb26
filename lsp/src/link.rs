//! The link to one agent: opens carriers, keeps the connection alive, tells who
//! listens.

use std::time::Duration;

use protocol::io::connection::Connection;
use serde::Serialize;
use tokio::sync::watch;

/// A running link. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    connection_rx: watch::Receiver<Option<Connection>>,
    state_rx: watch::Receiver<LinkState>,
}

/// How the link is.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
        /// Smoothed round trip, microseconds.
        rtt_us: u64,
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
    /// The connection: `Some` from the first handshake on, also while carriers
    /// are swapped; replaced when the agent itself had to be started again.
    pub fn connection(&self) -> watch::Receiver<Option<Connection>> {
        self.connection_rx.clone()
    }

    /// How the link is.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state_rx.clone()
    }

    /// Asks the agent to end and remove its traces, waits at most `patience`,
    /// then closes the link.
    pub async fn shutdown(&self, patience: Duration) {
        let _ = patience;
    }
}
