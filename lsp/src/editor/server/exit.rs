//! Notices `exit`, which ends the process though the editor keeps the pipe open.

use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use tower::Service;
use tower_lsp::jsonrpc::Request;

/// A service that tells when it is asked to exit.
pub struct Exiting<S> {
    inner: S,
    exited: CancellationToken,
}

impl<S> Exiting<S> {
    /// The service, and what is cancelled by `exit`.
    pub fn around(inner: S) -> (Self, CancellationToken) {
        let exited = CancellationToken::new();
        (Self { inner, exited: exited.clone() }, exited)
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
        if request.method() == "exit" {
            self.exited.cancel();
        }
        self.inner.call(request)
    }
}
