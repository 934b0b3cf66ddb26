//! A sync's two replicas: opening them, again when they are gone, and what they
//! observe on its way to the controller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::io::connection::Connection;
use protocol::io::replica::{Replica, ReplicaError};
use protocol::path::RelPath;
use protocol::sync::entry::{Entry, Observation, Side};
use tokio::sync::{mpsc, watch};

use super::{Actor, Done, at, status};

/// Observations of one replica that wait for the actor; the replica waits
/// beyond that.
const OBSERVED_MAX: usize = 1024;
/// Wait before a replica that could not be opened is tried again.
const REOPEN_MIN: Duration = Duration::from_millis(500);
const REOPEN_MAX: Duration = Duration::from_secs(10);

/// One side's replica.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) replica: Option<Arc<dyn Replica>>,
    /// replica --observations--> actor
    pub(super) observed_rx: Option<mpsc::Receiver<Observation>>,
    pub(super) generation: u64,
    pub(super) opening: bool,
    pub(super) reopen_at: Option<Instant>,
    pub(super) failures: u32,
    pub(super) halted: Option<String>,
    /// The root was lost: another tree in its place is not taken for it.
    pub(super) was_lost: bool,
    /// The ignore rules in the tree as they were seen last: a scan reports them again,
    /// which is no news.
    rules: HashMap<RelPath, Option<Entry>>,
}

impl Slot {
    /// Whether rules are others than they were.
    fn are_new(&mut self, path: &RelPath, state: Option<&Entry>) -> bool {
        let before = self.rules.insert(path.clone(), state.cloned());
        before.as_ref().map(Option::as_ref) != Some(state)
    }
}

impl Actor {
    /// What the target shows is judged by the local ignore rules, so it waits
    /// until the local tree was scanned once.
    pub(super) fn rules_known(&self) -> bool {
        self.controller.scan_state(Side::Alpha).1
    }

    /// Whether the local rules name what the target shows: its own copy of the
    /// rules may be older, or none.
    pub(super) fn is_ignored_here(&self, path: &RelPath, entry: &Entry) -> bool {
        let Some(alpha) = &self.slots[at(Side::Alpha)].replica else { return false };
        let mut is_directory = matches!(entry, Entry::Directory { .. });
        let mut at = Some(path.clone());
        while let Some(path) = at.filter(|path| !path.is_root()) {
            if alpha.ignores(&path, is_directory) {
                return true;
            }
            is_directory = true;
            at = path.parent();
        }
        false
    }

    pub(super) fn rescan(&mut self, side: Side) {
        if let Some(replica) = self.slots[at(side)].replica.clone() {
            self.tasks.spawn(async move {
                // One that cannot be asked is opened again soon, and scans then.
                let _ = replica.rescan().await;
                Done::Nothing
            });
        }
    }

    /// Begins to open a side's replica.
    pub(super) fn open(&mut self, side: Side) {
        let slot = &mut self.slots[at(side)];
        if slot.opening || slot.replica.is_some() {
            return;
        }
        let (observed_tx, observed_rx) = mpsc::channel(OBSERVED_MAX);
        let Some(opening) = self.replicas.of(side, self.connection.as_ref(), observed_tx) else {
            return;
        };
        slot.opening = true;
        slot.generation += 1;
        slot.observed_rx = None;
        let generation = slot.generation;
        slot.observed_rx = Some(observed_rx);
        self.controller.opened(side);
        self.tasks.spawn(async move { Done::Opened { side, generation, result: opening.await } });
    }

    /// Removes what the sync keeps in both trees, with as many connections as it
    /// takes.
    pub(super) async fn remove_traces(
        &mut self,
        mut connection_rx: watch::Receiver<Option<Connection>>,
    ) {
        for side in [Side::Alpha, Side::Beta] {
            while let Err(error) = self.remove_traces_of(side).await {
                if matches!(error, ReplicaError::Refused(_)) || side == Side::Alpha {
                    tracing::warn!(%error, "unable to remove what a sync kept in a tree");
                    break;
                }
                if connection_rx.changed().await.is_err() {
                    break; // the hub ends
                }
                self.connection = connection_rx.borrow_and_update().clone();
            }
        }
    }

    async fn remove_traces_of(&mut self, side: Side) -> Result<(), ReplicaError> {
        let slot = &mut self.slots[at(side)];
        slot.observed_rx = None; // nothing is seen any more
        let replica = match slot.replica.take() {
            Some(replica) => replica,
            // Not opened yet: an earlier hub's traces go, too.
            None => {
                let (observed_tx, observed_rx) = mpsc::channel(OBSERVED_MAX);
                let opening = self.replicas.of(side, self.connection.as_ref(), observed_tx);
                let opened = opening.ok_or(ReplicaError::Unreachable)?.await?;
                drop(observed_rx); // it waits for who reads it
                opened
            }
        };
        replica.remove_traces().await
    }

    pub(super) fn opened(
        &mut self,
        side: Side,
        generation: u64,
        result: Result<Arc<dyn Replica>, ReplicaError>,
    ) {
        let slot = &mut self.slots[at(side)];
        if slot.generation != generation {
            return;
        }
        slot.opening = false;
        match result {
            Ok(replica) => {
                slot.replica = Some(replica);
                slot.failures = 0;
                if !slot.was_lost {
                    slot.halted = None;
                }
                self.flush_for_waiters(side);
            }
            Err(error) => {
                slot.halted = match error {
                    ReplicaError::Unreachable => None,
                    ReplicaError::Refused(error) => Some(status::lost(side, &error.message)),
                };
                self.close(side);
            }
        }
    }

    /// The replica is gone; it is opened again after a while.
    pub(super) fn close(&mut self, side: Side) {
        let slot = &mut self.slots[at(side)];
        slot.replica = None;
        slot.observed_rx = None;
        slot.opening = false;
        slot.generation += 1;
        let wait = REOPEN_MIN.saturating_mul(1 << slot.failures.min(8)).min(REOPEN_MAX);
        slot.failures = slot.failures.saturating_add(1);
        slot.reopen_at = Some(Instant::now() + wait);
        self.controller.closed(side);
    }

    pub(super) fn connected(&mut self, connection: Option<Connection>) {
        self.connection = connection;
        let slot = &mut self.slots[at(Side::Beta)];
        if slot.replica.is_some() || slot.opening {
            self.close(Side::Beta);
        }
        self.slots[at(Side::Beta)].reopen_at = None;
        self.slots[at(Side::Beta)].failures = 0;
        self.open(Side::Beta);
    }

    pub(super) fn observed(&mut self, side: Side, observation: Option<Observation>) {
        let slot = &mut self.slots[at(side)];
        let Some(observation) = observation else {
            if slot.opening {
                slot.observed_rx = None; // its opening says why
            } else {
                self.close(side);
            }
            return;
        };
        match &observation {
            Observation::ScanStarted { replica } => {
                let known = self.controller.replica(side);
                if slot.was_lost && known.is_some_and(|known| known != *replica) {
                    slot.halted = Some(status::replaced());
                    return self.close(side);
                }
                slot.was_lost = false;
                slot.halted = None;
            }
            Observation::RootLost { reason } => {
                slot.halted = Some(status::lost(side, reason));
                // A disk that was unmounted leaves an empty folder behind: only
                // the same tree is taken back unasked. A target may be replaced.
                slot.was_lost = side == Side::Alpha;
            }
            _ => {}
        }
        match &observation {
            Observation::Seen { path, state: Some(entry), .. }
                if side == Side::Beta && self.is_ignored_here(path, entry) =>
            {
                return;
            }
            // Other rules may let in what the target showed and was not heard.
            Observation::Seen { path, state, .. } if path.name() == b".gitignore" => {
                let are_new = self.slots[at(side)].are_new(path, state.as_ref());
                if are_new && self.controller.scan_state(Side::Beta).1 {
                    self.rescan(Side::Beta);
                }
            }
            _ => {}
        }
        let lost = matches!(observation, Observation::RootLost { .. });
        let now = self.now();
        self.controller.observe(side, observation, now);
        if lost {
            self.close(side);
        }
    }
}

/// The next observation; never, without a replica: what it leads to could not
/// be done.
pub(super) async fn next_observation(slot: &mut Slot, wanted: bool) -> Option<Observation> {
    match &mut slot.observed_rx {
        Some(observed_rx) if wanted && slot.replica.is_some() => observed_rx.recv().await,
        _ => std::future::pending().await,
    }
}
