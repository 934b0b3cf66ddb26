//! Requests about the app the agent supervises.

use protocol::io::connection::{ChannelRx, Connection, OpenError};
use protocol::io::framed::{self, FrameError};
use protocol::wire::app::{AppReply, AppRequest};
use protocol::wire::stream::{Open, Priority};
use tokio::io::AsyncRead;

/// Asks and waits for the answer: a launch until it runs, a stop until it is
/// gone, a hook until it ended. Dropping the future ends a hook.
///
/// # Errors
/// The agent's refusal, or the link's failure.
pub async fn request(connection: &Connection, request: AppRequest) -> Result<AppReply, OpenError> {
    let mut channel = connection.open(&Open::App(request), Priority::Terminal).await?;
    Ok(reply(&mut channel.rx).await?)
}

/// How the app is, now and at each change.
pub struct Watch {
    rx: ChannelRx,
}

/// Starts to watch the app.
///
/// # Errors
/// The link's failure.
pub async fn watch(connection: &Connection) -> Result<Watch, OpenError> {
    let channel = connection.open(&Open::App(AppRequest::Watch), Priority::Terminal).await?;
    Ok(Watch { rx: channel.rx })
}

impl Watch {
    /// The next state. Not safe to cancel.
    ///
    /// # Errors
    /// The link's failure; the watch is over then.
    pub async fn next(&mut self) -> Result<AppReply, FrameError> {
        reply(&mut self.rx).await
    }
}

/// Reads one answer from a stream that stands behind `Opened::Ok`.
///
/// # Errors
/// The stream's.
pub async fn reply(rx: &mut (impl AsyncRead + Unpin)) -> Result<AppReply, FrameError> {
    framed::read(rx).await
}
