//! How a session ends, where editors and the library differ: `exit` ends the process
//! though the editor keeps the pipe open, and some send both of the last messages with
//! parameters that say nothing.

use std::task::{Context, Poll};

use tokio::sync::watch;
use tower::Service;
use tower_lsp::jsonrpc::Request;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Not yet, or with its pipe.
    No,
    /// As the protocol has it.
    Orderly,
    /// `exit` came without `shutdown`.
    Abrupt,
}

/// A service that tells when it is asked to exit.
pub struct Exiting<S> {
    inner: S,
    shut_down: bool,
    ended_tx: watch::Sender<Ended>,
}

impl<S> Exiting<S> {
    /// The service, and how it ends.
    pub fn around(inner: S) -> (Self, watch::Receiver<Ended>) {
        let (ended_tx, ended_rx) = watch::channel(Ended::No);
        (Self { inner, shut_down: false, ended_tx }, ended_rx)
    }
}

impl<S: Service<Request>> Service<Request> for Exiting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match request.method() {
            "shutdown" => self.shut_down = true,
            "exit" => {
                let ended = if self.shut_down { Ended::Orderly } else { Ended::Abrupt };
                self.ended_tx.send_replace(ended);
            }
            _ => return self.inner.call(request),
        }
        let (method, id, _) = request.into_parts();
        let bare = Request::build(method);
        let bare = match id {
            Some(id) => bare.id(id),
            None => bare,
        };
        self.inner.call(bare.finish())
    }
}
