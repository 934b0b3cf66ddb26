//! The one task that owns a sync: feeds the controller what replicas and faces
//! say, and performs what it decides. Never waits for a replica itself: that is
//! done in tasks that report back.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::io::connection::Connection;
use protocol::io::replica::{Replica, ReplicaError};
use protocol::path::RelPath;
use protocol::sync::controller::{Class, Controller, Effect, Report};
use protocol::sync::entry::{Observation, Side};
use protocol::sync::mode::Mode;
use protocol::wire::stream::Priority;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::carry;
use super::replicas::Replicas;
use super::store::{self, Store};
use super::{Batch, Conflict, Keep, RecentEdit, Resume, SyncError, SyncSpec, SyncStatus, status};

mod command;
mod sides;
mod tell;

use sides::Slot;

/// Inputs taken before what they lead to is done: enough to fill a batch.
const BURST_MAX: usize = 1024;

/// From a face.
pub(super) enum Command {
    Pause(oneshot::Sender<()>),
    Look(oneshot::Sender<()>),
    Resume(Resume, oneshot::Sender<Result<(), SyncError>>),
    Wait(oneshot::Sender<Result<(), SyncError>>),
    Why(String, oneshot::Sender<Result<String, SyncError>>),
    Named(String, oneshot::Sender<Result<String, SyncError>>),
    Conflicts(oneshot::Sender<Vec<Conflict>>),
    Resolve(String, Keep, oneshot::Sender<Result<(), SyncError>>),
    Undo(Option<String>, oneshot::Sender<Result<String, SyncError>>),
    Forget(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

/// The actor's ends of channels.
pub(super) struct Ends {
    /// link --connections--> actor
    pub(super) connection_rx: watch::Receiver<Option<Connection>>,
    /// faces --commands--> actor
    pub(super) command_rx: mpsc::Receiver<Command>,
    /// actor --visible batches--> hooks
    pub(super) batch_tx: mpsc::Sender<Batch>,
    /// actor --status--> faces
    pub(super) status_tx: watch::Sender<SyncStatus>,
}

/// What a task of the actor came to.
enum Done {
    Opened {
        side: Side,
        generation: u64,
        result: Result<Arc<dyn Replica>, ReplicaError>,
    },
    Carried {
        to: Side,
        generation: u64,
        reports: Vec<(RelPath, Report)>,
    },
    KeptBoth(command::KeptBoth),
    Flushed {
        side: Side,
        generation: u64,
        waiter: u64,
        whole: bool,
    },
    /// A task panicked: what it carried has no outcome.
    Crashed,
    Nothing,
}

/// What woke the actor.
enum Input {
    Command(Option<Command>),
    /// The link has news, or (false) it has ended.
    Link(bool),
    Done(Done),
    Observed(Side, Option<Observation>),
    Nothing,
}

/// A face that waits until everything is settled.
struct Waiter {
    id: u64,
    barriers: [Barrier; 2],
    reply_tx: oneshot::Sender<Result<(), SyncError>>,
}

/// When a side has shown everything that happened before the waiter came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Barrier {
    /// Its replica is being flushed.
    Flushing,
    /// It has.
    Passed,
    /// Its replica is flushed as soon as it is open.
    Absent,
}

struct Actor {
    spec: SyncSpec,
    controller: Controller,
    store: Store,
    replicas: Arc<dyn Replicas>,
    started: Instant,
    slots: [Slot; 2],
    connection: Option<Connection>,
    tasks: JoinSet<Done>,
    waiters: Vec<Waiter>,
    next_waiter: u64,
    batch: Option<Batch>,
    recent: VecDeque<RecentEdit>,
    flush_at: Option<Instant>,
    status_at: Option<Instant>,
    batch_tx: mpsc::Sender<Batch>,
    status_tx: watch::Sender<SyncStatus>,
}

/// How the actor ends.
enum End {
    Stop(Option<oneshot::Sender<()>>),
    Forget(oneshot::Sender<()>),
}

fn at(side: Side) -> usize {
    match side {
        Side::Alpha => 0,
        Side::Beta => 1,
    }
}

/// Runs a sync until it is stopped.
pub(super) async fn run(spec: SyncSpec, place: PathBuf, ends: Ends, replicas: Arc<dyn Replicas>) {
    let Ends { connection_rx, command_rx, batch_tx, status_tx } = ends;
    let mode = spec.mode;
    let loaded = tokio::task::spawn_blocking(move || load(&place, mode)).await;
    let (controller, store) = match loaded {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => return refuse(&spec, &status_tx, command_rx, &error.to_string()).await,
        Err(error) => return refuse(&spec, &status_tx, command_rx, &error.to_string()).await,
    };
    let actor = Actor {
        spec,
        controller,
        store,
        replicas,
        started: Instant::now(),
        slots: [Slot::default(), Slot::default()],
        connection: None,
        tasks: JoinSet::new(),
        waiters: Vec::new(),
        next_waiter: 0,
        batch: None,
        recent: VecDeque::new(),
        flush_at: None,
        status_at: None,
        batch_tx,
        status_tx,
    };
    actor.run(connection_rx, command_rx).await;
}

fn load(place: &std::path::Path, mode: Mode) -> std::io::Result<(Controller, Store)> {
    let mut controller = Controller::new(mode, []);
    let store = store::open(place, |record| controller.load(record))?;
    Ok((controller, store))
}

/// Without a place for the ancestor nothing may be synced: a restart would not
/// know a deletion from a new file. Says so until it is stopped.
async fn refuse(
    spec: &SyncSpec,
    status_tx: &watch::Sender<SyncStatus>,
    mut command_rx: mpsc::Receiver<Command>,
    error: &str,
) {
    let reason = format!("The sync's own state cannot be stored: {error}.");
    let phase = super::SyncPhase::Halted { reason: reason.clone() };
    status_tx.send_replace(SyncStatus { phase, ..status::initial(spec) });
    while let Some(command) = command_rx.recv().await {
        if command::refuse(command, &reason) {
            return;
        }
    }
}

impl Actor {
    async fn run(
        mut self,
        mut connection_rx: watch::Receiver<Option<Connection>>,
        mut command_rx: mpsc::Receiver<Command>,
    ) {
        self.open(Side::Alpha);
        self.connected(connection_rx.borrow_and_update().clone());
        let mut linked = true;
        let end = loop {
            let deadline = self.deadline();
            let rules_known = self.rules_known();
            let [alpha, beta] = &mut self.slots;
            let input = tokio::select! {
                biased;
                command = command_rx.recv() => Input::Command(command),
                changed = connection_rx.changed(), if linked => Input::Link(changed.is_ok()),
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    Input::Done(done.unwrap_or(Done::Crashed))
                }
                observation = sides::next_observation(alpha, true) => {
                    Input::Observed(Side::Alpha, observation)
                }
                observation = sides::next_observation(beta, rules_known) => {
                    Input::Observed(Side::Beta, observation)
                }
                permit = self.batch_tx.reserve(), if self.batch.is_some() => {
                    let batch = self.batch.take();
                    if let (Ok(permit), Some(batch)) = (permit, batch) {
                        permit.send(batch);
                    }
                    Input::Nothing
                }
                () = self.store.progress() => Input::Nothing,
                () = tokio::time::sleep_until(deadline.into()) => Input::Nothing,
            };
            match input {
                Input::Command(None) => break End::Stop(None),
                Input::Command(Some(command)) => {
                    if let Some(end) = self.command(command) {
                        break end;
                    }
                }
                Input::Link(up) => {
                    linked = up;
                    let connection = connection_rx.borrow_and_update().clone();
                    self.connected(connection);
                }
                Input::Done(done) => self.done(done),
                Input::Observed(side, observation) => self.observed(side, observation),
                Input::Nothing => {}
            }
            self.take_burst();
            self.turn();
        };
        self.end(end, connection_rx).await;
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn deadline(&self) -> Instant {
        let controller = self.controller.deadline().map(|at| self.started + at);
        let reopens = self.slots.iter().filter_map(|slot| slot.reopen_at);
        let far = Instant::now() + Duration::from_secs(3600);
        let own = [controller, self.flush_at, self.status_at].into_iter().flatten();
        own.chain(reopens).fold(far, Instant::min)
    }

    /// Takes what is there already, so that batches fill.
    fn take_burst(&mut self) {
        for side in [Side::Alpha, Side::Beta] {
            for _ in 0..BURST_MAX {
                if side == Side::Beta && !self.rules_known() {
                    break;
                }
                let slot = &mut self.slots[at(side)];
                if slot.replica.is_none() {
                    break;
                }
                let Some(observed_rx) = &mut slot.observed_rx else { break };
                let Ok(observation) = observed_rx.try_recv() else { break };
                self.observed(side, Some(observation));
            }
        }
        for _ in 0..BURST_MAX {
            let Some(Ok(done)) = self.tasks.try_join_next() else { break };
            self.done(done);
        }
    }

    /// Does what the inputs led to.
    fn turn(&mut self) {
        let now = Instant::now();
        for side in [Side::Alpha, Side::Beta] {
            if self.slots[at(side)].reopen_at.is_some_and(|at| at <= now) {
                self.slots[at(side)].reopen_at = None;
                self.open(side);
            }
        }
        while let Some(effect) = self.controller.poll(self.now()) {
            self.perform(effect);
        }
        self.save(now);
        self.answer_waiters();
        self.tell(now);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Apply { to, class, edits } => {
                let generation = self.slots[at(to)].generation;
                let Some(ends) = self.ends(to) else {
                    let paths = edits.into_iter().map(|edit| edit.op.path);
                    let reports = paths.map(|path| (path, Report::Unreachable)).collect();
                    self.done(Done::Carried { to, generation, reports });
                    return;
                };
                let priority = if class == Class::Edit { Priority::Edit } else { Priority::Bulk };
                self.tasks.spawn(async move {
                    let reports = carry::batch(ends, edits, priority).await;
                    Done::Carried { to, generation, reports }
                });
            }
            Effect::Transfer { to, op, source } => {
                let generation = self.slots[at(to)].generation;
                let Some(ends) = self.ends(to) else {
                    let reports = vec![(op.path, Report::Unreachable)];
                    self.done(Done::Carried { to, generation, reports });
                    return;
                };
                self.tasks.spawn(async move {
                    let reports = vec![carry::transfer(ends, op, source).await];
                    Done::Carried { to, generation, reports }
                });
            }
            Effect::Record(record) => self.store.record(record),
            Effect::Void(record) => self.store.void(record),
            Effect::Rescan(side) => self.rescan(side),
            Effect::Visible { path, to, latency } => self.visible(&path, to, latency),
            Effect::BatchVisible { paths, count } => match &mut self.batch {
                None => self.batch = Some(Batch { paths, count }),
                Some(batch) => {
                    let room = protocol::limits::SYNC_BATCH_PATHS_MAX - batch.paths.len();
                    batch.paths.extend(paths.into_iter().take(room));
                    batch.count += count;
                }
            },
        }
    }

    fn ends(&self, to: Side) -> Option<carry::Ends> {
        let source = self.slots[at(to.other())].replica.clone()?;
        Some(carry::Ends { source, target: self.slots[at(to)].replica.clone()? })
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Opened { side, generation, result } => self.opened(side, generation, result),
            Done::Carried { to, generation, reports } => {
                if self.slots[at(to)].generation != generation {
                    return; // the replica was opened anew: its scan tells more
                }
                let now = self.now();
                for (path, report) in reports {
                    self.controller.report(to, &path, report, now);
                }
            }
            Done::KeptBoth(kept) => self.kept_both(kept),
            Done::Flushed { side, generation, waiter, whole } => {
                self.flushed(side, generation, waiter, whole);
            }
            // Opening anew is how a missing outcome is made up for.
            Done::Crashed => {
                [Side::Alpha, Side::Beta].into_iter().for_each(|side| self.close(side))
            }
            Done::Nothing => {}
        }
    }

    async fn end(mut self, end: End, connection_rx: watch::Receiver<Option<Connection>>) {
        self.tasks.abort_all();
        match end {
            End::Stop(reply_tx) => {
                for slot in &mut self.slots {
                    slot.replica = None;
                    slot.observed_rx = None;
                }
                self.store.close().await;
                if let Some(reply_tx) = reply_tx {
                    let _ = reply_tx.send(()); // nobody waits any more
                }
            }
            End::Forget(mut reply_tx) => {
                tokio::select! {
                    biased;
                    // The next connection may lead to another target.
                    () = reply_tx.closed() => {}
                    () = self.remove_traces(connection_rx) => {}
                }
                self.store.remove().await;
                let _ = reply_tx.send(()); // nobody waits any more
            }
        }
    }
}
