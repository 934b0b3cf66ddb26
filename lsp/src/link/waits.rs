//! What a link's driver waits for: each returns when it is so, and may be dropped at any
//! time before.

use protocol::io::carrier::Carrier;
use tokio::task::JoinHandle;

use super::better::Passed;
use super::dial::{DialError, Dialled, Session};
use crate::carrier::News;

/// How dialling ended; never, while nobody dials.
pub async fn dialled(
    dialling: &mut Option<JoinHandle<Result<Dialled, DialError>>>,
) -> Result<Dialled, DialError> {
    match dialling {
        None => std::future::pending().await,
        Some(task) => task.await.unwrap_or_else(|error| {
            Err(DialError { reason: format!("dialling failed: {error}"), again: true })
        }),
    }
}

/// News of the target, told once.
pub async fn news(news: &mut Option<JoinHandle<News>>) -> News {
    let told = match news {
        None => None,
        Some(task) => task.await.ok(), // one that failed is begun by the next dial
    };
    *news = None;
    match told {
        Some(news) => news,
        None => std::future::pending().await,
    }
}

/// What became of looking for a better carrier; never, while nobody looks.
pub async fn found(
    moving: &mut Option<JoinHandle<Result<Carrier, Passed>>>,
) -> Result<Carrier, Passed> {
    match moving {
        None => std::future::pending().await,
        Some(task) => task.await.unwrap_or_else(|_| Err(Passed::default())), // it was aborted
    }
}

/// Why the carrier in use ended, once it did.
pub async fn carrier_ended(session: Option<&Session>, generation: u64) -> String {
    let Some(session) = session else { return std::future::pending().await };
    let mut status_rx = session.endpoint.socket().status();
    let ended = status_rx
        .wait_for(|status| status.generation == generation && status.ended.is_some())
        .await
        .ok()
        .and_then(|status| status.ended.clone());
    match ended {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

/// Returns when there is a connection and it closes.
pub async fn connection_closed(session: Option<&Session>) {
    match session {
        Some(session) => session.connection.closed().await,
        None => std::future::pending().await,
    }
}
