//! Commands and terminals.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::FrameError;
use protocol::wire::exec::Exec;

use crate::context::Context;
use crate::router::refuse;

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(
    _context: &Context,
    _exec: Exec,
    mut channel: Channel,
) -> Result<(), FrameError> {
    refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
}
