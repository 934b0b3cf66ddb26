//! Copies files in and out.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::FrameError;
use protocol::wire::copy::Copy;

use crate::context::Context;
use crate::router::refuse;

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(
    _context: &Context,
    _copy: Copy,
    mut channel: Channel,
) -> Result<(), FrameError> {
    refuse(&mut channel, WireError::new(ErrorCode::Unsupported, "not built yet")).await
}
