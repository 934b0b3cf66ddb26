//! What watches the parts of a hub and tells its loop what happens to them.

use std::time::Duration;

use protocol::io::connection::Connection;
use protocol::wire::app::AppReply;
use tokio::sync::{mpsc, watch};

use super::app::state_of;
use super::event::{Event, LinkEvent, SyncEvent};
use super::run::Message;
use crate::link::{Link, LinkState};
use crate::ports::PortNames;
use crate::remote::app as remote;
use crate::sync::SyncPhase;

/// Pause between two looks at a sync that changes all the time.
const SYNC_PACE: Duration = Duration::from_millis(40);

/// Reports how the link is, and hands its connections on.
pub async fn link(
    link: Link,
    connection_tx: watch::Sender<Option<Connection>>,
    names_tx: watch::Sender<PortNames>,
    message_tx: mpsc::Sender<Message>,
) {
    let mut connection_rx = link.connection();
    let mut state_rx = link.state();
    connection_rx.mark_changed();
    state_rx.mark_changed();
    loop {
        let event = tokio::select! {
            changed = connection_rx.changed() => {
                if changed.is_err() {
                    return;
                }
                let connection = connection_rx.borrow_and_update().clone();
                let connected = connection.is_some();
                names_tx.send_replace(link.port_names());
                connection_tx.send_replace(connection);
                if connected { LinkEvent::Connected } else { LinkEvent::Waiting }
            }
            changed = state_rx.changed() => {
                if changed.is_err() {
                    return;
                }
                match &*state_rx.borrow_and_update() {
                    LinkState::Down { reason } => LinkEvent::Down { reason: reason.clone() },
                    _ => LinkEvent::Waiting,
                }
            }
        };
        if message_tx.send(Message::Event(Event::Link(event))).await.is_err() {
            return;
        }
    }
}

/// Reports how the app of each agent is.
pub async fn app(
    mut connection_rx: watch::Receiver<Option<Connection>>,
    message_tx: mpsc::Sender<Message>,
) {
    connection_rx.mark_changed();
    while connection_rx.changed().await.is_ok() {
        let connection = connection_rx.borrow_and_update().clone();
        let Some(connection) = connection else { continue };
        let mut watch = match remote::watch(&connection).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!(error = crate::chain(&error), "unable to watch the app");
                continue;
            }
        };
        // A reading that is cut loses half a frame, so it is never cut: the
        // stream ends with its connection.
        while let Ok(reply) = watch.next().await {
            let event = Event::App(state_of(&reply));
            if reply != AppReply::None && message_tx.send(Message::Event(event)).await.is_err() {
                return;
            }
        }
    }
}

/// Reports how a sync is, and each batch that it made visible.
pub async fn sync(
    name: String,
    mut status_rx: watch::Receiver<crate::sync::SyncStatus>,
    mut batch_rx: mpsc::Receiver<crate::sync::Batch>,
    message_tx: mpsc::Sender<Message>,
) {
    status_rx.mark_changed();
    let mut last = None;
    loop {
        let message = tokio::select! {
            // A batch first: the app must not be started, and restarted, for it.
            biased;
            batch = batch_rx.recv() => match batch {
                Some(batch) => {
                    tracing::debug!(sync = name, edits = batch.count, "a batch is visible");
                    Message::Event(Event::Batch { name: name.clone() })
                }
                None => return,
            },
            changed = status_rx.changed() => {
                if changed.is_err() {
                    return;
                }
                let phase = phase_of(&status_rx.borrow_and_update().phase);
                if last.as_ref() == Some(&phase) {
                    Message::Refresh
                } else {
                    last = Some(phase.clone());
                    Message::Event(Event::Sync { name: name.clone(), phase })
                }
            }
        };
        let refreshed = matches!(message, Message::Refresh);
        if message_tx.send(message).await.is_err() {
            return;
        }
        if refreshed {
            tokio::time::sleep(SYNC_PACE).await;
        }
    }
}

fn phase_of(phase: &SyncPhase) -> SyncEvent {
    match phase {
        SyncPhase::InSync | SyncPhase::Paused => SyncEvent::InSync,
        SyncPhase::Waiting | SyncPhase::Scanning { .. } | SyncPhase::Applying => SyncEvent::Busy,
        SyncPhase::Braked { reason } | SyncPhase::Halted { reason } => {
            SyncEvent::Stuck { reason: reason.clone() }
        }
    }
}
