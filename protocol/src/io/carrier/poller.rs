//! Tells one of quinn's senders when the carrier's queue has room again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use quinn::UdpPoller;

use super::Queues;
use crate::limits::CARRIER_QUEUE_PARK;

#[derive(Debug)]
pub(super) struct Poller {
    pub(super) id: u64,
    pub(super) queues: Arc<Queues>,
}

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.queues.lock();
        if state.up && state.outbound.len() < CARRIER_QUEUE_PARK {
            state.send_wakers.remove(&self.id);
            return Poll::Ready(Ok(()));
        }
        state.send_wakers.insert(self.id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.queues.lock().send_wakers.remove(&self.id);
    }
}
