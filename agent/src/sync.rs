//! Serves replicas: the remote trees of a hub's syncs.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::FrameError;
use protocol::wire::sync::{OpenApply, OpenFetch, OpenReplica};

use crate::context::Context;
use crate::router::refuse;

/// The open replicas of one agent.
#[derive(Clone)]
pub struct Replicas {
    _context: Context,
}

impl Replicas {
    /// None yet.
    pub fn new(context: Context) -> Self {
        Self { _context: context }
    }

    /// Serves one replica's observations.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve(&self, _open: OpenReplica, mut channel: Channel) -> Result<(), FrameError> {
        refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
    }

    /// Serves one batch of edits.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve_apply(
        &self,
        _open: OpenApply,
        mut channel: Channel,
    ) -> Result<(), FrameError> {
        refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
    }

    /// Serves one batch of bodies.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve_fetch(
        &self,
        _open: OpenFetch,
        mut channel: Channel,
    ) -> Result<(), FrameError> {
        refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
    }

    /// Removes every trace the replicas keep in their roots.
    pub async fn remove_traces(&self) {}
}
