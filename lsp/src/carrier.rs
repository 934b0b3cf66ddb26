//! Ways to reach an agent's bootstrap channel. A [`Bootstrap`] opens bytes to an
//! agent's `attach`; what is said on them is the link's business.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::io::replica::BoxFuture;
use protocol::wire::hello::AgentHello;
use tokio::io::{AsyncRead, AsyncWrite};

pub mod process;

/// How much of what a bootstrap complains about is kept.
const COMPLAINTS_MAX: usize = 4096;

/// Opens channels to one target's agent, again and again.
pub trait Bootstrap: Send + Sync + 'static {
    /// What people call the target.
    fn name(&self) -> String;

    /// A channel to an agent, which is started if there is none.
    fn open(&self) -> BoxFuture<'_, Result<ByteStream, BootstrapError>>;

    /// The agent on the last channel said hello: the next one may take a shorter
    /// way.
    fn learned(&self, agent: &AgentHello) {
        let _ = agent;
    }
}

/// Bytes to and from an agent.
pub struct ByteStream {
    /// What people call the way: `unix socket`, `exec`.
    pub carrier: String,
    /// From the agent.
    pub rx: Box<dyn AsyncRead + Send + Unpin>,
    /// To the agent.
    pub tx: Box<dyn AsyncWrite + Send + Unpin>,
    /// Dropped when the channel is not needed any more.
    pub guard: Option<Box<dyn Send>>,
    /// What comes beside the channel, such as a standard error stream.
    pub complaints: Complaints,
}

/// The end of what was complained about. Cheap to clone.
#[derive(Clone, Default)]
pub struct Complaints(Arc<Mutex<Vec<u8>>>);

impl Complaints {
    /// More of it; only the end is kept.
    pub fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let excess = kept.len().saturating_sub(COMPLAINTS_MAX);
        kept.drain(..excess);
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.write_str(String::from_utf8_lossy(&kept).trim())
    }
}

/// Why no channel was opened: what was tried, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BootstrapError {
    /// For people.
    pub message: String,
    /// Whether another attempt can be different.
    pub again: bool,
}
