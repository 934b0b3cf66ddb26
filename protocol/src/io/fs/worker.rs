//! The thread that knows a tree: reads events, looks, scans, and is the only one
//! that sends observations, so that their order is the order of its looks.
//!
//! Each turn: commands, then events, then due looks, then one directory of the
//! scan. So an edit never waits for a scan, only for one directory of it.

use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::ReadFlags;
use tokio::sync::{mpsc, oneshot};

use super::dir;
use super::rules::is_own;
use super::tree::Tree;
use super::watch::{Event, Watcher};
use crate::limits::{REPLICA_TICK, SETTLE_FLUSH};
use crate::path::RelPath;
use crate::sync::entry::Observation;
use crate::sync::settle::{Change, Due, Settle};

mod late;
mod report;
mod scan;

/// What the replica's handles ask of the thread.
pub enum Command {
    /// Scan everything.
    Rescan,
    /// From now on observations go here, beginning with a scan.
    Attach(mpsc::Sender<Observation>),
    /// Answer when everything that happened until now is observed: with how many
    /// observations were sent since the last attach.
    Flush(oneshot::Sender<u64>),
    /// Look at these again: something was brought back.
    Look(RelPath),
    /// End.
    Stop,
}

/// Looks in one turn: few enough that events are read in time, and that the
/// small files among them fit into memory together.
const LOOKS_PER_TURN: usize = 64;

/// See the module.
pub struct Worker {
    tree: Arc<Tree>,
    commands: std_mpsc::Receiver<Command>,
    wake: Arc<OwnedFd>,
    observations_tx: Option<mpsc::Sender<Observation>>,
    watcher: Option<Watcher>,
    trash_watch: Option<i32>,
    started: Instant,
    settle: Settle,
    visits: VecDeque<scan::Visit>,
    scanning: bool,
    rescan: bool,
    /// Paths whose content was forgotten without a word when they became a
    /// problem: when they are well again, only a scan tells what is gone.
    veiled: HashSet<RelPath>,
    flushes: Vec<oneshot::Sender<u64>>,
    /// Until when a flush, or the end of a scan, waits for unfinished files.
    patience_ends: Option<Duration>,
    sent: u64,
    degraded: Option<String>,
    ticked: Instant,
    stop: bool,
}

impl Worker {
    /// A thread's state; [`Worker::run`] is the thread.
    pub fn new(
        tree: Arc<Tree>,
        commands: std_mpsc::Receiver<Command>,
        wake: Arc<OwnedFd>,
        observations_tx: mpsc::Sender<Observation>,
    ) -> Self {
        Self {
            tree,
            commands,
            wake,
            observations_tx: Some(observations_tx),
            watcher: None,
            trash_watch: None,
            started: Instant::now(),
            settle: Settle::default(),
            visits: VecDeque::new(),
            scanning: false,
            rescan: false,
            veiled: HashSet::new(),
            flushes: Vec::new(),
            patience_ends: None,
            sent: 0,
            degraded: None,
            ticked: Instant::now(),
            stop: false,
        }
    }

    /// Works until it is told to stop.
    pub fn run(mut self) {
        self.open_watcher();
        self.start_scan();
        while !self.stop {
            self.take_commands();
            if self.tree.lost.get().is_some() {
                self.flushes.clear();
                self.visits.clear();
                self.wait(None);
                continue;
            }
            self.read_events();
            let looked = self.look_at_due();
            if let Some(visit) = self.visits.pop_front() {
                self.visit(visit);
                continue;
            }
            if looked {
                continue;
            }
            if (self.scanning || !self.flushes.is_empty()) && self.is_unsettled() {
                self.wait(Some(self.patience()));
                continue;
            }
            if self.scanning {
                self.finish_scan();
            }
            if self.rescan {
                self.start_scan();
                continue;
            }
            self.answer_flushes();
            self.tick();
            if self.visits.is_empty() && !self.scanning {
                self.wait(Some(self.patience()));
            }
        }
    }

    fn open_watcher(&mut self) {
        match Watcher::open() {
            Ok(watcher) => {
                self.trash_watch = watcher.watch_closes(self.tree.store.trash()).ok();
                self.watcher = Some(watcher);
            }
            Err(error) => {
                let reason = dir::reason(&error);
                self.degrade(format!(
                    "unable to watch for changes ({reason}), so folders are looked at every {} s; \
                     raise the limit with: sysctl fs.inotify.max_user_instances=1024",
                    REPLICA_TICK.as_secs()
                ));
            }
        }
    }

    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Rescan) => self.rescan = true,
                Ok(Command::Attach(observations_tx)) => {
                    self.observations_tx = Some(observations_tx);
                    self.sent = 0;
                    if let Some(reason) = self.tree.lost.get().cloned() {
                        self.send(Observation::RootLost { reason });
                    } else {
                        if let Some(reason) = self.degraded.clone() {
                            self.send(Observation::Degraded { reason: Some(reason) });
                        }
                        self.start_scan();
                    }
                }
                Ok(Command::Flush(done_tx)) => {
                    self.flushes.push(done_tx);
                    self.patience_ends = None;
                }
                Ok(Command::Look(path)) => self.settle(path, Change::Complete),
                Ok(Command::Stop) | Err(std_mpsc::TryRecvError::Disconnected) => {
                    self.stop = true;
                    return;
                }
                Err(std_mpsc::TryRecvError::Empty) => return,
            }
        }
    }

    fn read_events(&mut self) {
        let Some(watcher) = &self.watcher else { return };
        let mut events = Vec::new();
        watcher.read(&mut events);
        for event in events {
            self.event(event);
        }
    }

    fn event(&mut self, event: Event) {
        if event.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            tracing::debug!("the kernel dropped file events; scanning");
            self.settle.clear();
            self.rescan = true;
            return;
        }
        if self.trash_watch == Some(event.watch) {
            self.late_write(event.name.as_deref());
            return;
        }
        let directory = self.tree.index().watched(event.watch).cloned();
        if event.flags.contains(ReadFlags::IGNORED) {
            self.tree.index().untie(event.watch);
        }
        let Some(directory) = directory else { return };
        let Some(name) = event.name else {
            let ends = ReadFlags::DELETE_SELF
                | ReadFlags::MOVE_SELF
                | ReadFlags::UNMOUNT
                | ReadFlags::IGNORED;
            if directory.is_root() && event.flags.intersects(ends) {
                if event.flags.contains(ReadFlags::UNMOUNT) {
                    self.lose("the file system of the folder was unmounted".into());
                } else {
                    self.check_root();
                }
            } else if event.flags.intersects(ends) {
                self.settle(directory, Change::Gone);
            }
            return;
        };
        if is_own(&name) {
            return;
        }
        // Too long a path cannot be synced; its directory's scan says so.
        let Ok(path) = directory.join(&name) else { return };
        self.settle(path, change(event.flags));
    }

    fn settle(&mut self, path: RelPath, change: Change) {
        let now = self.started.elapsed();
        if self.settle.event(path, change, now).is_err() {
            self.settle.clear();
            self.rescan = true;
        }
    }

    /// Whether there was anything to look at.
    ///
    /// What was read is reported only if nothing happened to it meanwhile: the
    /// file may be the first half of a new one, under a name that was complete
    /// when its look became due.
    fn look_at_due(&mut self) -> bool {
        let due = self.settle.take_due(self.started.elapsed(), LOOKS_PER_TURN);
        let found: Vec<_> = due.iter().map(|due| self.find(&due.path)).collect();
        self.read_events();
        let any = !due.is_empty();
        for (Due { path, last_call }, found) in due.into_iter().zip(found) {
            if let Some((version, found)) = found
                && (last_call || !self.settle.is_waiting(&path))
            {
                self.commit(&path, version, found, false);
            }
        }
        any
    }

    /// Whether files are still being written that are worth waiting for.
    fn is_unsettled(&mut self) -> bool {
        if self.settle.next_due().is_none() {
            self.patience_ends = None;
            return false;
        }
        let now = self.started.elapsed();
        if now < *self.patience_ends.get_or_insert(now + SETTLE_FLUSH) {
            return true;
        }
        self.patience_ends = None;
        self.settle.hurry(now);
        while self.look_at_due() {}
        false
    }

    /// Whether the root still is the one that was opened.
    fn check_root(&mut self) -> bool {
        match self.tree.root.check() {
            Ok(()) => true,
            Err(reason) => {
                self.lose(reason);
                false
            }
        }
    }

    fn lose(&mut self, reason: String) {
        if self.tree.lost.set(reason.clone()).is_ok() {
            self.send(Observation::RootLost { reason });
            self.watcher = None;
            self.settle.clear();
            self.visits.clear();
            self.scanning = false;
        }
    }

    fn degrade(&mut self, reason: String) {
        if self.degraded.as_ref() != Some(&reason) {
            self.degraded = Some(reason.clone());
            self.send(Observation::Degraded { reason: Some(reason) });
        }
    }

    /// Waits where the reader is slow: then events wait in the kernel, and when
    /// that is full they are scanned for.
    fn send(&mut self, observation: Observation) {
        if self.tree.lost.get().is_some() && !matches!(observation, Observation::RootLost { .. }) {
            return;
        }
        self.sent += 1;
        if let Some(observations_tx) = &self.observations_tx
            && observations_tx.blocking_send(observation).is_err()
        {
            self.observations_tx = None;
        }
    }

    fn answer_flushes(&mut self) {
        for done_tx in self.flushes.drain(..) {
            let _ = done_tx.send(self.sent); // nobody waits any more
        }
    }

    fn tick(&mut self) {
        if self.ticked.elapsed() < REPLICA_TICK {
            return;
        }
        self.ticked = Instant::now();
        if self.check_root() && self.degraded.is_some() {
            let unwatched = self.tree.index().unwatched();
            self.visits.extend(unwatched.into_iter().map(scan::Visit::new));
        }
    }

    fn patience(&self) -> Duration {
        let now = self.started.elapsed();
        let due = self.settle.next_due().map(|due| due.saturating_sub(now));
        let tick = REPLICA_TICK.saturating_sub(self.ticked.elapsed());
        due.map_or(tick, |due| due.min(tick)).max(Duration::from_millis(1))
    }

    fn wait(&self, patience: Option<Duration>) {
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        let mut fds = vec![PollFd::new(&*self.wake, PollFlags::IN)];
        if let Some(watcher) = &self.watcher {
            fds.push(PollFd::from_borrowed_fd(watcher.as_fd(), PollFlags::IN));
        }
        let _ = rustix::event::poll(&mut fds, timeout.as_ref()); // a signal: look around
        let _ = rustix::io::read(&*self.wake, &mut [0u8; 8]); // nothing to read is fine
    }
}

/// What an event says of a name in a directory.
fn change(flags: ReadFlags) -> Change {
    let is_directory = flags.contains(ReadFlags::ISDIR);
    if flags.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO)
        || (is_directory && flags.contains(ReadFlags::CREATE))
    {
        Change::Complete
    } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        Change::Gone
    } else if flags.contains(ReadFlags::ATTRIB) {
        Change::Touched
    } else {
        Change::Partial
    }
}
