//! Dials from where the agent is.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::FrameError;
use protocol::wire::port::Dial;

use crate::context::Context;
use crate::router::refuse;

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(
    _context: &Context,
    _dial: Dial,
    mut channel: Channel,
) -> Result<(), FrameError> {
    refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
}
