//! Scans, one directory a turn: watch first, list then, so that nothing between
//! is missed. A file whose stamp is known is not read again.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Worker;
use super::report::look_beneath;
use crate::io::fs::dir::reason;
use crate::io::fs::index::{Known, Stamp, What};
use crate::io::fs::look::{self, Found};
use crate::io::fs::rules::{self, RULES_NAME, is_own};
use crate::io::fs::store::{self, TEMP_PREFIX};
use crate::io::fs::temp;
use crate::io::fs::tree::Tree;
use crate::limits::{REPLICA_THREADS, REPLICA_TICK, RULES_LEN_MAX, SETTLE_WRITE};
use crate::path::RelPath;
use crate::sync::entry::Observation;
use crate::sync::settle::Change;

/// A directory to scan.
pub struct Visit {
    /// Where.
    pub path: RelPath,
    /// With everything below, though it is known and watched.
    pub deep: bool,
    /// Report what did not change, too.
    pub report: bool,
}

/// Names whose looks are worth a second thread.
const PARALLEL_MIN: usize = 24;
/// Names looked at between two reads of the event queue.
const CHUNK: usize = 256;

impl Visit {
    /// For what changed in one directory.
    pub fn new(path: RelPath) -> Self {
        Self { path, deep: false, report: false }
    }
}

impl Worker {
    /// Begins a scan of everything; one that is under way begins again.
    pub(super) fn start_scan(&mut self) {
        self.rescan = false;
        if !self.check_root() {
            return;
        }
        self.visits.clear();
        self.scanning = true;
        self.send(Observation::ScanStarted { replica: self.tree.store.replica() });
        self.visits.push_back(Visit { path: RelPath::root(), deep: true, report: true });
    }

    pub(super) fn finish_scan(&mut self) {
        self.scanning = false;
        if self.check_root() {
            let rev = self.tree.step();
            self.send(Observation::ScanDone { rev });
        }
    }

    /// Scans one directory and queues those in it.
    pub(super) fn visit(&mut self, visit: Visit) {
        let path = &visit.path;
        let fd = match self.tree.root.read_dir(path) {
            Ok(fd) => fd,
            Err(error) => {
                self.unreadable(path, &error);
                return;
            }
        };
        if self.tree.index().dir(path).is_none() {
            return; // gone since it was queued
        }
        self.watch(path, &fd);
        if self.tree.rules.evaluate {
            let rules = read_rules(&fd);
            if let Some(dir) = self.tree.index().dir_mut(path) {
                dir.rules = rules;
            }
        }
        let mut names = match store::names(fd.as_fd()) {
            Ok(names) => names,
            Err(error) => {
                self.unreadable(path, &error);
                return;
            }
        };
        for name in names.iter().filter(|name| name.starts_with(TEMP_PREFIX)) {
            temp::clean(&self.tree.store, fd.as_fd(), name);
        }
        names.retain(|name| !is_own(name));
        names.sort_unstable();
        for chunk in names.chunks(CHUNK) {
            self.visit_names(&visit, &fd, chunk);
            if self.tree.lost.get().is_some() {
                return;
            }
            self.read_events();
        }
        let known = self.tree.index().names(path);
        for (name, _) in known {
            if names.binary_search_by(|found| found.as_slice().cmp(&name)).is_err()
                && let Ok(below) = path.join(&name)
            {
                self.look(&below);
            }
        }
    }

    fn visit_names(&mut self, visit: &Visit, fd: &OwnedFd, names: &[Vec<u8>]) {
        let mut paths = Vec::with_capacity(names.len());
        for name in names {
            match visit.path.join(name) {
                Ok(path) => paths.push((self.tree.guards.version(&path), path)),
                Err(error) => {
                    let problem = Some(format!("it holds a name that cannot be synced: {error}"));
                    self.send(Observation::Problem { path: visit.path.clone(), problem });
                }
            }
        }
        let found = look_at_all(&self.tree, fd, &paths);
        let now_ns = look::now_ns();
        self.read_events();
        for ((version, path), found) in paths.into_iter().zip(found) {
            if self.settle.is_waiting(&path) {
                if visit.report {
                    self.vouch(&path);
                }
                continue;
            }
            let found = if self.is_fresh(&path, &found, now_ns) { Found::Unstable } else { found };
            let is_directory = matches!(&found, Found::Held(known, _) if known.is_directory());
            self.commit(&path, version, found, visit.report);
            if is_directory && visit.deep && self.tree.index().dir(&path).is_some() {
                self.visits.push_back(Visit { path, deep: true, report: visit.report });
            }
        }
    }

    /// Whether a file changed so lately that it may be the first half of a write
    /// that began before its directory was watched.
    fn is_fresh(&self, path: &RelPath, found: &Found, now_ns: i64) -> bool {
        let Found::Held(Known { stamp, what: What::File(..), .. }, _) = found else { return false };
        let quiet_ns = now_ns.saturating_sub(stamp.ctime_ns);
        let is_known = || self.tree.index().get(path).is_some_and(|known| known.stamp == *stamp);
        i64::try_from(SETTLE_WRITE.as_nanos()).is_ok_and(|quiet| (0..quiet).contains(&quiet_ns))
            && !is_known()
    }

    fn unreadable(&mut self, path: &RelPath, error: &std::io::Error) {
        if path.is_root() {
            if self.check_root() {
                let reason = reason(error);
                self.lose(format!("the folder cannot be read: {reason}"));
            }
            return;
        }
        if let Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) = Errno::from_io_error(error) {
            self.settle(path.clone(), Change::Complete);
            return;
        }
        let version = self.tree.guards.version(path);
        let why = format!("cannot be read: {}", reason(error));
        let what = What::Odd(why.into());
        let known = Known { stamp: Stamp::default(), racy: false, what };
        self.commit(path, version, Found::Held(known, None), false);
    }

    fn watch(&mut self, path: &RelPath, fd: &OwnedFd) {
        let Some(watcher) = &self.watcher else { return };
        let at = self.tree.root.path().join(OsStr::from_bytes(path.as_bytes()));
        match watcher.watch(fd.as_fd(), &at) {
            Ok(watch) => self.tree.index().tie(path, watch),
            Err(error) => {
                let reason = match error {
                    Errno::NOSPC => format!(
                        "the limit of watched folders is reached, so the rest is looked at every \
                         {} s; raise it with: sysctl fs.inotify.max_user_watches=1048576",
                        REPLICA_TICK.as_secs()
                    ),
                    error => format!(
                        "some folders cannot be watched ({}), so they are looked at every {} s",
                        reason(&error.into()),
                        REPLICA_TICK.as_secs()
                    ),
                };
                self.degrade(reason);
            }
        }
    }
}

/// Looks at many names of a directory, on two threads where that pays.
fn look_at_all(tree: &Tree, fd: &OwnedFd, paths: &[(u64, RelPath)]) -> Vec<Found> {
    let look = |paths: &[(u64, RelPath)]| -> Vec<Found> {
        paths.iter().map(|(_, path)| look_beneath(tree, path, fd, 0)).collect()
    };
    if paths.len() < PARALLEL_MIN {
        return look(paths);
    }
    let share = paths.len().div_ceil(REPLICA_THREADS);
    std::thread::scope(|scope| {
        let mut shares = paths.chunks(share);
        let first = shares.next().unwrap_or_default();
        let others: Vec<_> = shares.map(|share| scope.spawn(move || look(share))).collect();
        let mut found = look(first);
        for other in others {
            found.extend(other.join().expect("a look does not panic"));
        }
        found
    })
}

fn read_rules(fd: &OwnedFd) -> Option<std::sync::Arc<ignore::gitignore::Gitignore>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(fd, RULES_NAME, flags, Mode::empty()).ok()?;
    let mut text = Vec::new();
    let limit = RULES_LEN_MAX as u64;
    std::fs::File::from(file).take(limit).read_to_end(&mut text).ok()?;
    rules::parse(&text)
}
