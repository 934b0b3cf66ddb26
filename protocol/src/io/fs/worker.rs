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
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

use super::dir;
use super::index::{Known, Removed, What};
use super::look::Found;
use super::rules::is_own;
use super::tree::Tree;
use super::watch::{Event, Watcher};
use crate::limits::{REPLICA_TICK, SEEN_BODY_MAX};
use crate::path::RelPath;
use crate::sync::entry::{IGNORED, Observation, agree};
use crate::sync::settle::{Change, Settle};

mod late;
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

/// Looks in one turn: few enough that events are read in time.
const LOOKS_PER_TURN: usize = 256;

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
    sent: u64,
    flush_rounds: u32,
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
            sent: 0,
            flush_rounds: 0,
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
                    self.flush_rounds = 0;
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
        let is_directory = event.flags.contains(ReadFlags::ISDIR);
        let complete = ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO;
        let gone = ReadFlags::DELETE | ReadFlags::MOVED_FROM;
        let change = if event.flags.intersects(complete)
            || (is_directory && event.flags.contains(ReadFlags::CREATE))
        {
            Change::Complete
        } else if event.flags.intersects(gone) {
            Change::Gone
        } else {
            Change::Partial
        };
        self.settle(path, change);
    }

    fn settle(&mut self, path: RelPath, change: Change) {
        let now = self.started.elapsed();
        if self.settle.event(path, change, now).is_err() {
            self.settle.clear();
            self.rescan = true;
        }
    }

    /// Whether there was anything to look at.
    fn look_at_due(&mut self) -> bool {
        let due = if self.flushes.is_empty() {
            self.settle.take_due(self.started.elapsed(), LOOKS_PER_TURN)
        } else {
            self.flush_rounds += 1;
            self.settle.take_all()
        };
        for path in &due {
            self.look(path);
        }
        !due.is_empty()
    }

    /// Looks at one path and reports what changed.
    fn look(&mut self, path: &RelPath) {
        if path.is_root() {
            self.check_root();
            return;
        }
        let version = self.tree.guards.version(path);
        let found = match self.tree.root.parent(path) {
            Ok(parent) => self.look_beneath(path, &parent, SEEN_BODY_MAX),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Found::Absent,
                _ => return, // its directory is the problem and is reported
            },
        };
        self.commit(path, version, found, false);
    }

    /// Looks with the rules in mind: what is ignored is not read.
    fn look_beneath(&self, path: &RelPath, parent: &OwnedFd, body_max: usize) -> Found {
        look_beneath(&self.tree, path, parent, body_max)
    }

    /// Compares what was found with what was known, remembers and reports it.
    /// With `report` it is reported though nothing changed.
    fn commit(&mut self, path: &RelPath, version: u64, found: Found, report: bool) {
        let (new, body) = match found {
            Found::Unstable => {
                self.settle(path.clone(), Change::Partial);
                return;
            }
            Found::Absent => (None, None),
            Found::Held(known, body) => (Some(known), body),
        };
        let gone = new.is_none() && self.tree.index().get(path).is_some();
        if gone && !self.check_root() {
            return;
        }
        let mut out = Vec::new();
        {
            let mut index = self.tree.index();
            if !self.tree.guards.is_current(path, version) {
                drop(index);
                self.settle(path.clone(), Change::Complete);
                return;
            }
            let old = index.get(path).cloned();
            let parent_known = path.parent().is_some_and(|parent| index.dir(&parent).is_some());
            if old.is_none() && !parent_known {
                return; // the scan of its directory finds it
            }
            let was_problem = old.as_ref().and_then(problem);
            let is_problem = new.as_ref().and_then(problem);
            let is_directory = new.as_ref().is_some_and(Known::is_directory);
            if old.as_ref().is_some_and(Known::is_directory) && !is_directory {
                let mut removed = Vec::new();
                index.remove(path, &mut removed);
                if is_problem.is_some() {
                    self.veiled.insert(path.clone());
                } else {
                    removed.retain(|removed| removed.path != *path);
                    for Removed { path, known } in removed {
                        let rev = index.step();
                        out.push(absence(path, &known, rev));
                    }
                }
            }
            let state = new.as_ref().and_then(Known::entry);
            let changed = !agree(old.as_ref().and_then(Known::entry).as_ref(), state.as_ref());
            match new {
                Some(known) => index.insert(path, known),
                None => index.remove(path, &mut Vec::new()),
            }
            if was_problem.is_some() && is_problem.is_none() {
                out.push(Observation::Problem { path: path.clone(), problem: None });
                self.rescan |= self.veiled.remove(path);
            }
            if let Some(problem) = is_problem {
                if report || was_problem.as_deref() != Some(&*problem) {
                    out.push(Observation::Problem { path: path.clone(), problem: Some(problem) });
                }
            } else if changed || (report && state.is_some()) {
                let rev = index.step();
                out.push(Observation::Seen { rev, path: path.clone(), state, body });
            }
            let unwatched = index.dir(path).is_some_and(|dir| dir.watch.is_none());
            if is_directory && unwatched && !report {
                self.visits.push_back(scan::Visit::new(path.clone()));
            }
        }
        let changed = !out.is_empty();
        for observation in out {
            self.send(observation);
        }
        if changed && self.tree.rules.evaluate && path.name() == super::rules::RULES_NAME && !report
        {
            let directory = path.parent().unwrap_or_default();
            self.visits.push_back(scan::Visit { deep: true, ..scan::Visit::new(directory) });
        }
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
        // A file that is written without end must not hold a flush for ever.
        if self.settle.next_due().is_none() || self.flush_rounds > 3 {
            for done_tx in self.flushes.drain(..) {
                let _ = done_tx.send(self.sent); // nobody waits any more
            }
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

/// See [`Worker::look_beneath`].
fn look_beneath(tree: &Tree, path: &RelPath, parent: &OwnedFd, body_max: usize) -> Found {
    let Ok(stat) = dir::stat_at(parent, path.name()) else {
        return tree.look(path, parent.as_fd(), 0);
    };
    let is_directory = dir::kind(&stat) == rustix::fs::FileType::Directory;
    if tree.rules.ignores(&tree.index(), path, is_directory) {
        let stamp = super::look::stamp(&stat);
        return Found::Held(Known { stamp, racy: false, what: What::Ignored }, None);
    }
    tree.look(path, parent.as_fd(), body_max)
}

fn problem(known: &Known) -> Option<String> {
    match &known.what {
        What::Odd(why) => Some(why.to_string()),
        What::Ignored => Some(IGNORED.to_owned()),
        _ => None,
    }
}

fn absence(path: RelPath, known: &Known, rev: u64) -> Observation {
    if problem(known).is_some() {
        Observation::Problem { path, problem: None }
    } else {
        Observation::Seen { rev, path, state: None, body: None }
    }
}
