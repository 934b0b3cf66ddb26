//! Where the two replicas of a sync come from. The only file here that knows
//! that one is local and the other behind the link.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Connection;
use protocol::io::fs::{LocalConfig, LocalReplica, StorePlace};
use protocol::io::replica::{BoxFuture, Replica, ReplicaError};
use protocol::sync::entry::{Observation, Side};
use protocol::wire::sync::OpenReplica;
use tokio::sync::mpsc;

use super::SyncSpec;
use super::remote::RemoteReplica;

/// A replica that is being opened.
pub(super) type Opening = BoxFuture<'static, Result<Arc<dyn Replica>, ReplicaError>>;

/// Opens replicas. Observations arrive on `observed_tx`, which ends with the
/// replica.
pub(super) trait Replicas: Send + Sync + 'static {
    /// Opens the local one.
    fn alpha(&self, observed_tx: mpsc::Sender<Observation>) -> Opening;

    /// Opens the target's, over a connection.
    fn beta(&self, connection: Connection, observed_tx: mpsc::Sender<Observation>) -> Opening;

    /// Opens a side's; the target's only where there is a connection.
    fn of(
        &self,
        side: Side,
        connection: Option<&Connection>,
        observed_tx: mpsc::Sender<Observation>,
    ) -> Option<Opening> {
        match side {
            Side::Alpha => Some(self.alpha(observed_tx)),
            Side::Beta => connection.map(|connection| self.beta(connection.clone(), observed_tx)),
        }
    }
}

/// The real ones.
pub(super) struct Trees {
    spec: SyncSpec,
    store: PathBuf,
    /// Names the sync to the agent, the same on each connection, so that the
    /// agent's replica outlives a lost one.
    sync: u32,
}

impl Trees {
    pub(super) fn new(spec: SyncSpec, place: &Path) -> Self {
        let digest = blake3::hash(place.as_os_str().as_encoded_bytes());
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self { spec, store: place.join("alpha"), sync: u32::from_be_bytes([a, b, c, d]) }
    }
}

impl Replicas for Trees {
    fn alpha(&self, observed_tx: mpsc::Sender<Observation>) -> Opening {
        let SyncSpec { alpha, ignore, include, .. } = self.spec.clone();
        let store = self.store.clone();
        let open = move || {
            let store = place(&alpha, store).map_err(|error| {
                let text = format!("unable to open {}: {error}", alpha.display());
                ReplicaError::Refused(WireError { message: text, ..WireError::from(&error) })
            })?;
            let config =
                LocalConfig { root: alpha, store, ignore, include, evaluate_ignores: true };
            LocalReplica::open(config, observed_tx)
        };
        Box::pin(async move {
            let opened = tokio::task::spawn_blocking(open).await.map_err(|error| {
                ReplicaError::Refused(WireError::new(ErrorCode::Other, error.to_string()))
            })?;
            Ok(Arc::new(opened?) as Arc<dyn Replica>)
        })
    }

    fn beta(&self, connection: Connection, observed_tx: mpsc::Sender<Observation>) -> Opening {
        let SyncSpec { beta, ignore, include, .. } = self.spec.clone();
        let open =
            OpenReplica { sync: self.sync, root: beta, ignore, include, evaluate_ignores: true };
        Box::pin(async move {
            let opened = RemoteReplica::open(connection, open, observed_tx).await?;
            Ok(Arc::new(opened) as Arc<dyn Replica>)
        })
    }
}

/// Where the local replica keeps its store: out of the user's sight, unless
/// that is another file system, where nothing can be renamed to. A root that is
/// missing is not made: it may be a disk that is not mounted.
fn place(root: &Path, store: PathBuf) -> std::io::Result<StorePlace> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata(root)?;
    std::fs::create_dir_all(&store)?;
    if std::fs::metadata(&store)?.dev() == root.dev() {
        return Ok(StorePlace::Dir(store));
    }
    std::fs::remove_dir(&store).or_else(|error| match error.kind() {
        std::io::ErrorKind::DirectoryNotEmpty => Ok(()), // from when the root was elsewhere
        _ => Err(error),
    })?;
    Ok(StorePlace::InTree)
}
