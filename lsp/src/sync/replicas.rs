//! Where the two replicas of a sync come from. The only file here that knows
//! that one is local and the other behind the link.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Connection;
use protocol::io::replica::{BoxFuture, Replica, ReplicaError};
use protocol::sync::entry::Observation;
use tokio::sync::mpsc;

use super::SyncSpec;

/// A replica that is being opened.
pub(super) type Opening = BoxFuture<'static, Result<Arc<dyn Replica>, ReplicaError>>;

/// Opens replicas. Observations arrive on `observed_tx`, which ends with the
/// replica.
pub(super) trait Replicas: Send + Sync + 'static {
    /// Opens the local one.
    fn alpha(&self, observed_tx: mpsc::Sender<Observation>) -> Opening;

    /// Opens the target's, over a connection.
    fn beta(&self, connection: Connection, observed_tx: mpsc::Sender<Observation>) -> Opening;
}

/// The real ones.
pub(super) struct Trees {
    spec: SyncSpec,
    store: PathBuf,
}

impl Trees {
    pub(super) fn new(spec: SyncSpec, place: &Path) -> Self {
        Self { spec, store: place.join("alpha") }
    }
}

impl Replicas for Trees {
    fn alpha(&self, _: mpsc::Sender<Observation>) -> Opening {
        let message = format!("{} / {}", self.spec.alpha.display(), self.store.display());
        Box::pin(async {
            Err(ReplicaError::Refused(WireError::new(ErrorCode::Unsupported, message)))
        })
    }

    fn beta(&self, _: Connection, _: mpsc::Sender<Observation>) -> Opening {
        Box::pin(async { Err(ReplicaError::Unreachable) })
    }
}
