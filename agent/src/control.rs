//! The control stream: ping and shutdown.

use std::time::Duration;

use protocol::io::connection::Channel;
use protocol::io::framed::{self, FrameError};
use protocol::wire::control::{Reply, Request};
use protocol::wire::stream::Priority;

use crate::router::{Router, accept};

/// How long the last word may take to arrive.
const BYE_PATIENCE: Duration = Duration::from_secs(2);

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(router: &Router, mut channel: Channel) -> Result<(), FrameError> {
    channel.tx.set_priority(Priority::Control);
    accept(&mut channel).await?;
    while let Some(request) = framed::read_optional(&mut channel.rx).await? {
        match request {
            Request::Ping(number) => framed::write(&mut channel.tx, &Reply::Pong(number)).await?,
            Request::Shutdown => {
                tracing::info!("a hub ends this agent");
                router.app.stop_all().await;
                router.replicas.remove_traces().await;
                let said = framed::write(&mut channel.tx, &Reply::Bye).await;
                let _ = tokio::time::timeout(BYE_PATIENCE, channel.tx.finished()).await;
                router.context.shutdown.cancel(); // also when the hub is gone already
                return said;
            }
        }
    }
    Ok(())
}
