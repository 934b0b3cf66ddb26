//! UDP forwards: each local peer address is one flow, and each flow one stream.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::io::connection::Channel;
use protocol::io::framed::{self, FrameError};
use protocol::io::pump::{self, Cutting};
use protocol::limits::{DATAGRAM_LEN_MAX, UDP_FLOWS_MAX, UDP_IDLE, UDP_QUEUE_MAX};
use protocol::wire::port::Datagram;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::serve::{Counted, Forward, PAUSE, chain};

/// Datagrams of one local peer: socket --datagram--> flow.
type Flows = HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>;

impl Forward {
    /// Receives until the forward is removed.
    pub(super) async fn receive(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut flows = Flows::new();
        let mut buffer = vec![0; DATAGRAM_LEN_MAX];
        loop {
            let received = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return,
                received = socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((len, peer)) => {
                    self.dispatch(&mut flows, &socket, peer, buffer[..len].to_vec());
                }
                // One peer's port that closed, or no memory: the others go on.
                Err(error) => {
                    self.stats.fail(format!("unable to receive a datagram: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// A full queue drops the datagram, as a full socket buffer would.
    fn dispatch(
        self: &Arc<Self>,
        flows: &mut Flows,
        socket: &Arc<UdpSocket>,
        peer: SocketAddr,
        body: Vec<u8>,
    ) {
        let body = match flows.get(&peer) {
            Some(flow_tx) => match flow_tx.try_send(body) {
                Err(mpsc::error::TrySendError::Closed(body)) => body,
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return,
            },
            None => body,
        };
        if flows.len() >= UDP_FLOWS_MAX {
            flows.retain(|_, flow_tx| !flow_tx.is_closed());
            if flows.len() >= UDP_FLOWS_MAX {
                self.stats.fail(format!("over {UDP_FLOWS_MAX} peers at once: a datagram was lost"));
                return;
            }
        }
        let (flow_tx, flow_rx) = mpsc::channel(UDP_QUEUE_MAX);
        let _ = flow_tx.try_send(body); // a new queue has room
        flows.insert(peer, flow_tx);
        let (forward, socket) = (self.clone(), socket.clone());
        self.tasks.spawn(async move {
            let _counted = Counted::new(&forward.stats);
            tokio::select! {
                biased;
                () = forward.cancel.cancelled() => {}
                () = forward.flow(&socket, peer, flow_rx) => {}
            }
        });
    }

    async fn flow(&self, socket: &UdpSocket, peer: SocketAddr, flow_rx: mpsc::Receiver<Vec<u8>>) {
        let Channel { tx, rx } = match self.open().await {
            Ok(channel) => channel,
            Err(error) => return self.stats.fail(chain(&error)),
        };
        let mut tx = Cutting::new(tx);
        let back = async {
            let mut rx = pump::opened(rx).await?;
            while let Some(Datagram(body)) = framed::read_optional(&mut rx).await? {
                let _ = socket.send_to(&body, peer).await; // lost, as on any network
                self.stats.bytes.from_link.fetch_add(body.len() as u64, Ordering::Relaxed);
            }
            Ok::<_, pump::PumpError>(())
        };
        let done = tokio::select! {
            biased;
            done = back => done,
            done = self.outward(&mut tx, flow_rx) => done.map_err(Into::into),
        };
        match done {
            Ok(()) => tx.end().await,
            Err(error) => self.stats.fail(chain(&error)),
        }
    }

    /// The agent ends a silent flow; twice its patience here is for a link that
    /// is away meanwhile.
    async fn outward(
        &self,
        tx: &mut Cutting,
        mut flow_rx: mpsc::Receiver<Vec<u8>>,
    ) -> Result<(), FrameError> {
        while let Ok(Some(body)) = tokio::time::timeout(UDP_IDLE * 2, flow_rx.recv()).await {
            let len = body.len() as u64;
            framed::write(tx.get(), &Datagram(body)).await?;
            self.stats.bytes.to_link.fetch_add(len, Ordering::Relaxed);
        }
        Ok(())
    }
}
