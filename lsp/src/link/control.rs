//! The control stream of one connection, as two tasks: requests go out as they
//! come, replies come in as they are.

use protocol::io::connection::Connection;
use protocol::io::framed;
use protocol::wire::control::{OpenControl, Reply, Request};
use protocol::wire::stream::{Open, Priority};
use tokio::sync::mpsc;

/// link --request--> agent; gone when the connection is.
pub type RequestTx = mpsc::Sender<Request>;

/// Opens the stream. Replies go to `reply_tx` (control --reply--> link) until the
/// connection is gone or the request channel is dropped.
pub fn start(connection: Connection, reply_tx: mpsc::Sender<Reply>) -> RequestTx {
    let (request_tx, mut request_rx) = mpsc::channel(8);
    tokio::spawn(async move {
        let opened = connection.open(&Open::Control(OpenControl {}), Priority::Control).await;
        let channel = match opened {
            Ok(channel) => channel,
            Err(error) => {
                tracing::warn!(%error, "no control stream");
                return;
            }
        };
        let (mut tx, mut rx) = (channel.tx, channel.rx);
        let reading = async {
            while let Ok(Some(reply)) = framed::read_optional(&mut rx).await {
                if reply_tx.send(reply).await.is_err() {
                    return;
                }
            }
        };
        let writing = async {
            while let Some(request) = request_rx.recv().await {
                if framed::write(&mut tx, &request).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    });
    request_tx
}
