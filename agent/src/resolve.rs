//! Tells what a host's name is from where the agent is, for somebody who only wants to
//! know. Dials look names up themselves.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::{self, FrameError};
use protocol::limits::DIAL_TIMEOUT;
use protocol::wire::port::{Resolve, Resolved};

use crate::dns;
use crate::router::{accept, refuse};

/// Serves one stream; who asked and went away ends it.
///
/// # Errors
/// The stream's.
pub async fn serve(wanted: Resolve, mut channel: Channel) -> Result<(), FrameError> {
    let stopped = channel.tx.stopped();
    let found = tokio::select! {
        biased;
        () = stopped => return Ok(()),
        found = tokio::time::timeout(DIAL_TIMEOUT, dns::resolve(&wanted.host)) => found,
    };
    let found = found.unwrap_or_else(|_| {
        let message = format!("unable to resolve `{}`: no answer in time", wanted.host);
        Err(WireError::new(ErrorCode::TimedOut, message))
    });
    match found {
        Ok(found) => {
            accept(&mut channel).await?;
            let addresses = found.iter().map(ToString::to_string).collect();
            framed::write(&mut channel.tx, &Resolved { addresses }).await
        }
        Err(error) => refuse(&mut channel, error).await,
    }
}
