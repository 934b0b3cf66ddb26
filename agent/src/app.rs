//! The app the agent supervises, and its log.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::FrameError;
use protocol::wire::app::{AppRequest, Logs};

use crate::context::Context;
use crate::router::refuse;

/// Owns the supervised app.
#[derive(Clone)]
pub struct Supervisor {
    _context: Context,
}

impl Supervisor {
    /// No app yet.
    pub fn new(context: Context) -> Self {
        Self { _context: context }
    }

    /// Serves one request.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve(
        &self,
        _request: AppRequest,
        mut channel: Channel,
    ) -> Result<(), FrameError> {
        refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
    }

    /// Streams the log.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve_logs(&self, _logs: Logs, mut channel: Channel) -> Result<(), FrameError> {
        refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
    }

    /// Stops the app and everything else it started.
    pub async fn stop_all(&self) {}
}
