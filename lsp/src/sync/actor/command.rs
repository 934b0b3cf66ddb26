//! What faces ask of a running sync.

use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use protocol::io::replica::{DeltaReader, Edit, Fetched, Replica, ReplicaError, TrashItem};
use protocol::limits::INLINE_BODY_MAX;
use protocol::path::{RelPath, shown, typed};
use protocol::sync::controller::Resume as Release;
use protocol::sync::entry::{Entry, Observation, Op, Outcome, Side};
use protocol::wire::stream::Priority;
use tokio::sync::oneshot;

use super::{Actor, Barrier, Command, Done, End, Waiter, at, status};
use crate::sync::{Keep, Resume, SyncError};

/// Names tried for the copy beside a conflict.
const COPY_NAMES_MAX: u32 = 100;

/// The target's content of a conflict was put beside the local one, or not.
pub(super) struct KeptBoth {
    path: RelPath,
    result: Result<(RelPath, Entry, u64), SyncError>,
    reply_tx: oneshot::Sender<Result<(), SyncError>>,
}

/// Answers a command of a sync that never started; true when it ends.
pub(super) fn refuse(command: Command, reason: &str) -> bool {
    let error = || SyncError(reason.to_owned());
    match command {
        Command::Pause(_) | Command::Look(_) => {}
        Command::Resume(_, reply_tx)
        | Command::Wait(reply_tx)
        | Command::Resolve(_, _, reply_tx) => {
            let _ = reply_tx.send(Err(error())); // nobody waits any more
        }
        Command::Why(_, reply_tx) | Command::Named(_, reply_tx) | Command::Undo(_, reply_tx) => {
            let _ = reply_tx.send(Err(error())); // nobody waits any more
        }
        Command::Conflicts(reply_tx) => {
            let _ = reply_tx.send(Vec::new()); // nobody waits any more
        }
        Command::Forget(reply_tx) | Command::Stop(reply_tx) => {
            let _ = reply_tx.send(()); // nobody waits any more
            return true;
        }
    }
    false
}

impl Actor {
    /// Does what a face asks; some is how the sync ends.
    pub(super) fn command(&mut self, command: Command) -> Option<End> {
        match command {
            Command::Pause(reply_tx) => {
                self.controller.pause();
                let _ = reply_tx.send(()); // nobody waits any more
            }
            Command::Look(reply_tx) => {
                if let Some(replica) = self.slots[at(Side::Alpha)].replica.clone() {
                    self.tasks.spawn(async move {
                        let _ = replica.flush().await; // a lost one is opened anew
                        let _ = reply_tx.send(()); // nobody waits any more
                        Done::Nothing
                    });
                }
            }
            Command::Resume(how, reply_tx) => {
                let _ = reply_tx.send(self.resume(how)); // nobody waits any more
            }
            Command::Wait(reply_tx) => self.wait(reply_tx),
            Command::Why(path, reply_tx) => {
                let why = self.path(&path).and_then(|path| self.why(&path));
                let _ = reply_tx.send(why); // nobody waits any more
            }
            Command::Named(path, reply_tx) => {
                let named = self.path(&path).map(|path| shown(path.as_bytes()));
                let _ = reply_tx.send(named); // nobody waits any more
            }
            Command::Conflicts(reply_tx) => {
                let conflicts = self.controller.conflicts().map(status::conflict).collect();
                let _ = reply_tx.send(conflicts); // nobody waits any more
            }
            Command::Resolve(path, keep, reply_tx) => self.resolve(&path, keep, reply_tx),
            Command::Undo(path, reply_tx) => self.undo(path, reply_tx),
            Command::Forget(reply_tx) => return Some(End::Forget(reply_tx)),
            Command::Stop(reply_tx) => return Some(End::Stop(Some(reply_tx))),
        }
        None
    }

    /// A path as a face names it, and as it is shown: below the local root, absolute
    /// or relative.
    fn path(&self, path: &str) -> Result<RelPath, SyncError> {
        let outside = || SyncError(format!("`{path}` is not below {}", self.spec.alpha.display()));
        let named = std::path::PathBuf::from(std::ffi::OsString::from_vec(typed(path)));
        let relative = match named.strip_prefix(&self.spec.alpha) {
            Ok(below) => below.to_path_buf(),
            Err(_) if named.is_absolute() => return Err(outside()),
            Err(_) => named,
        };
        let plain: std::path::PathBuf = relative.components().collect();
        let bytes = plain.as_os_str().as_encoded_bytes();
        let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
        RelPath::parse(if bytes == b"." { b"" } else { bytes }).map_err(|_| outside())
    }

    fn resume(&mut self, how: Resume) -> Result<(), SyncError> {
        self.controller.unpause();
        // The user's word also takes another folder for the lost one.
        self.slots[at(Side::Alpha)].was_lost = false;
        let how = match how {
            Resume::Plain => return Ok(()),
            Resume::Delete => Release::Delete,
            Resume::Restore => Release::Restore,
        };
        if self.controller.resume(how) {
            return Ok(());
        }
        Err(SyncError("no deletions are held back in this sync".to_owned()))
    }

    /// Everything that happened before now has to be seen before it is settled.
    fn wait(&mut self, reply_tx: oneshot::Sender<Result<(), SyncError>>) {
        let id = self.next_waiter;
        self.next_waiter += 1;
        self.waiters.push(Waiter { id, barriers: [Barrier::Absent; 2], reply_tx });
        [Side::Alpha, Side::Beta].into_iter().for_each(|side| self.flush_for_waiters(side));
    }

    /// Has a side's replica, if it is open, tell everything that waiters wait for.
    pub(super) fn flush_for_waiters(&mut self, side: Side) {
        let slot = &self.slots[at(side)];
        let (Some(replica), generation) = (&slot.replica, slot.generation) else { return };
        for waiter in &mut self.waiters {
            if waiter.barriers[at(side)] != Barrier::Absent {
                continue;
            }
            waiter.barriers[at(side)] = Barrier::Flushing;
            let (replica, waiter) = (replica.clone(), waiter.id);
            self.tasks.spawn(async move {
                let whole = replica.flush().await.is_ok();
                Done::Flushed { side, generation, waiter, whole }
            });
        }
    }

    /// A side's replica has sent everything up to a waiter's call, or cannot.
    pub(super) fn flushed(&mut self, side: Side, generation: u64, waiter: u64, whole: bool) {
        let same = self.slots[at(side)].generation == generation;
        if whole {
            self.take_burst();
        } else if same {
            self.close(side); // it is opened anew and then flushed
        }
        let barrier = if whole && same { Barrier::Passed } else { Barrier::Absent };
        if let Some(waiter) = self.waiters.iter_mut().find(|other| other.id == waiter) {
            waiter.barriers[at(side)] = barrier;
        }
        self.flush_for_waiters(side);
    }

    fn why(&self, path: &RelPath) -> Result<String, SyncError> {
        if path.is_root() {
            return Ok("the root of the sync itself is never changed".to_owned());
        }
        let why = self.controller.why(path);
        Ok(why
            .unwrap_or_else(|| "neither side shows it: it does not exist or is ignored".to_owned()))
    }

    fn resolve(
        &mut self,
        path: &str,
        keep: Keep,
        reply_tx: oneshot::Sender<Result<(), SyncError>>,
    ) {
        let none = || SyncError(format!("there is no conflict at `{path}`"));
        let result = self.path(path).and_then(|path| {
            let view = self.controller.conflicts().find(|view| view.path == path);
            view.ok_or_else(none)
        });
        let view = match result {
            Ok(view) => view,
            Err(error) => {
                let _ = reply_tx.send(Err(error)); // nobody waits any more
                return;
            }
        };
        let side = match keep {
            Keep::Alpha => Side::Alpha,
            Keep::Beta => Side::Beta,
            Keep::Both => return self.keep_both(view.path, view.beta_entry, reply_tx),
        };
        let resolved = self.controller.resolve(&view.path, side);
        let _ = reply_tx.send(if resolved { Ok(()) } else { Err(none()) }); // nobody waits any more
    }

    fn keep_both(
        &mut self,
        path: RelPath,
        entry: Option<Entry>,
        reply_tx: oneshot::Sender<Result<(), SyncError>>,
    ) {
        let replica = self.slots[at(Side::Beta)].replica.clone();
        let (Some(replica), Some(entry)) = (replica, entry) else {
            let error = SyncError("the target cannot be reached now".to_owned());
            let _ = reply_tx.send(Err(error)); // nobody waits any more
            return;
        };
        self.tasks.spawn(async move {
            let result = put_beside(replica, &path, entry).await;
            Done::KeptBoth(KeptBoth { path, result, reply_tx })
        });
    }

    pub(super) fn kept_both(&mut self, kept: KeptBoth) {
        let result = kept.result.and_then(|(path, entry, rev)| {
            let now = self.now();
            let seen = Observation::Seen { rev, path, state: Some(entry), body: None };
            self.controller.observe(Side::Beta, seen, now);
            if self.controller.resolve(&kept.path, Side::Alpha) {
                return Ok(());
            }
            Err(SyncError(format!("the conflict at `{}` has ended by itself", kept.path)))
        });
        let _ = kept.reply_tx.send(result); // nobody waits any more
    }

    fn undo(&mut self, path: Option<String>, reply_tx: oneshot::Sender<Result<String, SyncError>>) {
        let path = match path.map(|path| self.path(&path)).transpose() {
            Ok(path) => path,
            Err(error) => {
                let _ = reply_tx.send(Err(error)); // nobody waits any more
                return;
            }
        };
        let replicas = [Side::Alpha, Side::Beta].map(|side| self.slots[at(side)].replica.clone());
        self.tasks.spawn(async move {
            let _ = reply_tx.send(bring_back(replicas, path).await); // nobody waits any more
            Done::Nothing
        });
    }
}

/// Writes the target's content of `path` beside it.
async fn put_beside(
    replica: Arc<dyn Replica>,
    path: &RelPath,
    entry: Entry,
) -> Result<(RelPath, Entry, u64), SyncError> {
    let failed = |error: ReplicaError| SyncError(format!("unable to keep both: {error}"));
    if matches!(entry, Entry::Directory { .. }) {
        let text = "the target holds a directory there; keep one side, or rename it first";
        return Err(SyncError(text.to_owned()));
    }
    for attempt in 0..COPY_NAMES_MAX {
        let beside = copy_name(path, attempt);
        let beside =
            beside.ok_or_else(|| SyncError("the name of the copy is too long".to_owned()))?;
        let op = Op { path: beside.clone(), base: None, new: Some(entry.clone()) };
        let outcome = match &entry {
            Entry::File { size, .. } if *size > INLINE_BODY_MAX as u64 => {
                let delta = replica.read_delta(path.clone(), entry.clone(), Vec::new()).await;
                let delta: DeltaReader = delta.map_err(failed)?.ok_or_else(changed)?;
                replica.write_delta(op, delta).await.map_err(failed)?
            }
            _ => {
                let body = match entry {
                    Entry::File { .. } => Some(read(replica.as_ref(), path, &entry).await?),
                    _ => None,
                };
                let outcomes = replica.apply(vec![Edit { op, body }], Priority::Edit).await;
                let outcome = outcomes.map_err(failed)?.into_iter().next();
                outcome.ok_or_else(|| SyncError("the target gave no answer".to_owned()))?
            }
        };
        match outcome {
            Outcome::Applied { rev, state: Some(state) } => return Ok((beside, state, rev)),
            Outcome::Failed(error) => return Err(failed(ReplicaError::Refused(error))),
            // Something has that name: the next one.
            Outcome::Applied { .. } | Outcome::Stale { .. } => {}
        }
    }
    Err(SyncError(format!("every name beside `{path}` is taken")))
}

fn changed() -> SyncError {
    SyncError("the target's content is changing right now; try again".to_owned())
}

async fn read(replica: &dyn Replica, path: &RelPath, entry: &Entry) -> Result<Vec<u8>, SyncError> {
    let wanted = vec![(path.clone(), entry.clone())];
    let fetched = replica.fetch(wanted, Priority::Edit).await;
    match fetched.map_err(|error| SyncError(format!("unable to keep both: {error}")))?.pop() {
        Some(Fetched::Body(body)) => Ok(body),
        Some(Fetched::Failed(error)) => Err(SyncError(format!("unable to keep both: {error}"))),
        Some(Fetched::Changed) | None => Err(changed()),
    }
}

/// `dir/name.conflict-target.ext`, then `dir/name.conflict-target-2.ext`.
fn copy_name(path: &RelPath, attempt: u32) -> Option<RelPath> {
    let name = path.name();
    // A leading dot begins a name, not an extension.
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let mut copy = stem.to_vec();
    copy.extend_from_slice(b".conflict-target");
    if attempt > 0 {
        copy.extend_from_slice(format!("-{}", attempt + 1).as_bytes());
    }
    copy.extend_from_slice(extension);
    path.parent()?.join(&copy).ok()
}

/// Restores what was displaced last, on either side.
async fn bring_back(
    replicas: [Option<Arc<dyn Replica>>; 2],
    path: Option<RelPath>,
) -> Result<String, SyncError> {
    let mut last: Option<(TrashItem, Arc<dyn Replica>, &str)> = None;
    for (replica, name) in replicas.into_iter().zip(["here", "on the target"]) {
        let Some(replica) = replica else { continue };
        let items = match replica.trash().await {
            Ok(items) => items,
            Err(error) => {
                tracing::warn!(%error, "unable to list what was displaced {name}");
                continue;
            }
        };
        let newest = items
            .into_iter()
            .filter(|item| path.as_ref().is_none_or(|path| item.path.is_within(path)))
            .max_by_key(|item| (item.at_us, item.id));
        if let Some(item) = newest
            && last.as_ref().is_none_or(|(last, ..)| item.at_us > last.at_us)
        {
            last = Some((item, replica, name));
        }
    }
    let Some((item, replica, name)) = last else {
        let what = path.map_or_else(|| "this sync".to_owned(), |path| format!("`{path}`"));
        return Err(SyncError(format!("nothing that {what} displaced can be brought back")));
    };
    match replica.restore(item.id).await {
        Ok(Outcome::Applied { .. }) => Ok(format!("brought back `{}` {name}", item.path)),
        Ok(Outcome::Stale { .. }) => {
            Err(SyncError(format!("`{}` changed {name} at this moment; try again", item.path)))
        }
        Ok(Outcome::Failed(error)) => {
            Err(SyncError(format!("unable to bring back `{}` {name}: {error}", item.path)))
        }
        Err(error) => {
            Err(SyncError(format!("unable to bring back `{}` {name}: {error}", item.path)))
        }
    }
}
