//! A tree on this machine's disk as a [`Replica`]: the hub's own and, served
//! over the link, the agent's. Decides nothing about what to sync.
//!
//! ```text
//! LocalReplica ──edits──▶ apply (blocking pool) ──▶ disk ──events──▶ worker ──observations──▶
//!              ◀─outcomes──          └────── index, guards ──────────┘
//! ```

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::replica::{BoxFuture, DeltaReader, Edit, Fetched, Replica, ReplicaError, TrashItem};
use crate::error::{ErrorCode, WireError};
use crate::path::RelPath;
use crate::sync::entry::{Entry, Observation, Op, Outcome};
use crate::wire::stream::Priority;

mod apply;
mod batch;
mod content;
mod dir;
mod guard;
mod index;
mod look;
mod rules;
mod store;
mod temp;
#[cfg(test)]
mod tests;
mod tree;
mod watch;
mod worker;

pub use store::StorePlace;

use dir::Root;
use rules::Rules;
use store::Store;
use tree::Tree;
use worker::{Command, Worker};

/// What to open, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// The directory; made where it is missing.
    pub root: PathBuf,
    /// Where the replica keeps what it must remember.
    pub store: StorePlace,
    /// Patterns in gitignore syntax that are not synced.
    pub ignore: Vec<String>,
    /// Patterns that are synced though a rule names them.
    pub include: Vec<String>,
    /// Whether the tree's own `.gitignore` files are obeyed.
    pub evaluate_ignores: bool,
}

/// A tree on this disk. Cheap to clone; ends with its last handle.
#[derive(Clone)]
pub struct LocalReplica(Arc<Handle>);

struct Handle {
    tree: Arc<Tree>,
    commands_tx: std_mpsc::Sender<Command>,
    wake: Arc<OwnedFd>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl LocalReplica {
    /// Opens the tree and begins to watch and scan it. Blocks for a moment: on
    /// the disk, not on the scan.
    ///
    /// # Errors
    /// Says what was tried, with the path.
    pub fn open(
        config: LocalConfig,
        observations_tx: mpsc::Sender<Observation>,
    ) -> Result<Self, ReplicaError> {
        let rules = Rules::new(&config.ignore, &config.include, config.evaluate_ignores)
            .map_err(|why| ReplicaError::Refused(WireError::new(ErrorCode::BadRequest, why)))?;
        let root = Root::open(&config.root).map_err(ReplicaError::Refused)?;
        let store = Store::open(&root, &config.store).map_err(ReplicaError::Refused)?;
        let tree = Arc::new(Tree::new(root, store, config.store, rules));
        let failed = |error: io::Error| {
            ReplicaError::Refused(dir::refusal("unable to watch the folder", &config.root, &error))
        };
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        let wake = rustix::event::eventfd(0, flags).map_err(|error| failed(error.into()))?;
        let wake = Arc::new(wake);
        let (commands_tx, commands) = std_mpsc::channel();
        let worker = Worker::new(tree.clone(), commands, wake.clone(), observations_tx);
        let worker = std::thread::Builder::new()
            .name("replica".into())
            .spawn(move || worker.run())
            .map_err(failed)?;
        Ok(Self(Arc::new(Handle { tree, commands_tx, wake, worker: Mutex::new(Some(worker)) })))
    }

    /// From now on observations go to `observations_tx`, beginning with a scan
    /// that reads no file whose stamp is known.
    pub fn attach(&self, observations_tx: mpsc::Sender<Observation>) {
        self.0.command(Command::Attach(observations_tx));
    }

    /// Returns when everything that happened in the tree before the call has
    /// been sent as an observation: how many were sent since the last attach.
    pub async fn flush(&self) -> u64 {
        let (done_tx, done_rx) = oneshot::channel();
        self.0.command(Command::Flush(done_tx));
        done_rx.await.unwrap_or_default() // the root is lost: there is nothing to wait for
    }

    /// Why the root is lost, if it is.
    pub fn lost(&self) -> Option<String> {
        self.0.tree.lost.get().cloned()
    }

    fn ensure_open(&self) -> Result<(), ReplicaError> {
        match self.lost() {
            None => Ok(()),
            Some(why) => Err(ReplicaError::Refused(WireError::new(ErrorCode::NotFound, why))),
        }
    }

    /// Runs blocking work beside the runtime.
    async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> T + Send + 'static,
    ) -> Result<T, ReplicaError> {
        self.ensure_open()?;
        let tree = self.0.tree.clone();
        tokio::task::spawn_blocking(move || work(&tree)).await.map_err(|error| {
            let message = format!("the work on the tree was cut off: {error}");
            ReplicaError::Refused(WireError::new(ErrorCode::Other, message))
        })
    }
}

impl Replica for LocalReplica {
    fn apply(
        &self,
        edits: Vec<Edit>,
        _priority: Priority,
    ) -> BoxFuture<'_, Result<Vec<Outcome>, ReplicaError>> {
        Box::pin(self.off(move |tree| batch::apply(tree, edits)))
    }

    fn fetch(
        &self,
        wanted: Vec<(RelPath, Entry)>,
        _priority: Priority,
    ) -> BoxFuture<'_, Result<Vec<Fetched>, ReplicaError>> {
        Box::pin(self.off(move |tree| {
            wanted.iter().map(|(path, entry)| content::fetch(tree, path, entry)).collect()
        }))
    }

    fn signature(
        &self,
        path: RelPath,
        entry: Entry,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, ReplicaError>> {
        Box::pin(async move {
            let made = self.off(move |tree| content::signature(tree, &path, &entry)).await?;
            made.map_err(ReplicaError::Refused)
        })
    }

    fn read_delta(
        &self,
        path: RelPath,
        entry: Entry,
        signature: Vec<u8>,
    ) -> BoxFuture<'_, Result<Option<DeltaReader>, ReplicaError>> {
        Box::pin(async move {
            let opened = self.off(move |tree| content::read_delta(tree, &path, &entry, &signature));
            opened.await?.map_err(ReplicaError::Refused)
        })
    }

    fn write_delta(
        &self,
        op: Op,
        delta: DeltaReader,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(self.off(move |tree| {
            let runtime = tokio::runtime::Handle::current();
            content::write_delta(tree, &op, delta, &runtime)
        }))
    }

    fn trash(&self) -> BoxFuture<'_, Result<Vec<TrashItem>, ReplicaError>> {
        Box::pin(self.off(|tree| tree.store.list()))
    }

    fn restore(&self, id: u64) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(async move {
            let (outcome, path) = self.off(move |tree| content::restore(tree, id)).await?;
            if let Some(path) = path {
                self.0.command(Command::Look(path));
            }
            Ok(outcome)
        })
    }

    fn rescan(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async move {
            self.ensure_open()?;
            self.0.command(Command::Rescan);
            Ok(())
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async move {
            self.ensure_open()?;
            LocalReplica::flush(self).await;
            Ok(())
        })
    }

    fn ignores(&self, path: &RelPath, is_directory: bool) -> bool {
        let tree = &self.0.tree;
        tree.rules.ignores(&tree.index(), path, is_directory)
    }

    fn remove_traces(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async move {
            self.0.command(Command::Stop);
            let tree = self.0.tree.clone();
            let removed = tokio::task::spawn_blocking(move || {
                let removed = tree.store.remove(&tree.root, &tree.place);
                removed.map_err(|error| {
                    dir::refusal("unable to remove what is kept for", tree.root.path(), &error)
                })
            });
            match removed.await {
                Ok(removed) => removed.map_err(ReplicaError::Refused),
                Err(error) => {
                    let error = WireError::new(ErrorCode::Other, error.to_string());
                    Err(ReplicaError::Refused(error))
                }
            }
        })
    }
}

impl Handle {
    fn command(&self, command: Command) {
        // A worker that ended needs no command.
        let _ = self.commands_tx.send(command);
        let _ = rustix::io::write(self.wake.as_fd(), &1u64.to_ne_bytes());
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.command(Command::Stop);
        // Not joined: it may wait for a reader that is being dropped right after.
        drop(self.worker.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
