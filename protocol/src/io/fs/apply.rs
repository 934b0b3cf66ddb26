//! Applies one edit by compare-and-swap. Whatever stood at the path is either
//! what the edit was based on, and then goes to the trash, or it stays.
//!
//! ```text
//! look ─▶ as wanted already? ─▶ applied
//!      ─▶ not the base?      ─▶ stale, nothing touched
//!      ─▶ nothing there: rename new content in, refusing to replace
//!      ─▶ base there: EXCHANGE it with the new content, look at what came out;
//!         not the base after all? exchange back, look again
//! ```
//!
//! No path is ever unlinked: between any look and any step somebody may write.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::dir;
use super::index::{Known, Stamp, What};
use super::look::{self, Found};
use super::rules::is_own;
use super::store;
use super::temp::{self, Temp};
use super::tree::Tree;
use crate::error::{ErrorCode, WireError};
use crate::path::RelPath;
use crate::sync::entry::{Entry, Op, Outcome, agree};

mod swap;

/// How often something may come in between before the edit is given up as stale.
const TRIES: usize = 8;

/// The content of a new file.
pub enum Content {
    /// None: the edit needs none.
    None,
    /// In memory.
    Body(Vec<u8>),
    /// Written and verified.
    Ready(Temp),
}

enum Step {
    /// Visible, with what is known of the new content's inode.
    Done(Option<Box<Known>>),
    /// Somebody came in between.
    Again,
    Failed(WireError),
}

struct Job<'a> {
    tree: &'a Tree,
    op: &'a Op,
    parent: BorrowedFd<'a>,
    name: &'a [u8],
}

/// Applies `op`.
pub fn apply(tree: &Tree, op: &Op, content: Content) -> Outcome {
    if let Err(error) = admissible(op) {
        return Outcome::Failed(error);
    }
    let held = tree.guards.hold(&op.path);
    let parent = match &op.new {
        Some(_) => tree.root.make_parent(&op.path),
        None => tree.root.parent(&op.path),
    };
    let parent = match parent {
        Ok(parent) => parent,
        Err(error) if op.new.is_none() && is_no_way(&error) => {
            return settle_absent(tree, op);
        }
        Err(error) => return Outcome::Failed(store::failure("reach", &op.path, &error)),
    };
    let job = Job { tree, op, parent: parent.as_fd(), name: op.path.name() };
    let outcome = job.run(content);
    drop(held);
    outcome
}

/// Whether an edit may be tried at all.
fn admissible(op: &Op) -> Result<(), WireError> {
    let bad =
        |message: &str| WireError::new(ErrorCode::BadRequest, format!("{message} {}", op.path));
    if op.path.is_root() {
        return Err(bad("the root itself cannot be edited:"));
    }
    if op.path.names().any(is_own) {
        return Err(bad("the path is Towline's own:"));
    }
    if let Some(Entry::Symlink { target }) = &op.new {
        let depth = op.path.names().count() - 1;
        if let Some(why) = look::unportable(depth, target) {
            return Err(bad(&format!("{why}:")));
        }
    }
    Ok(())
}

/// A path whose way is gone holds nothing.
fn settle_absent(tree: &Tree, op: &Op) -> Outcome {
    Outcome::Applied { rev: tree.record(&op.path, None), state: None }
}

fn is_no_way(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

impl Job<'_> {
    fn run(&self, mut content: Content) -> Outcome {
        let path = &self.op.path;
        for _ in 0..TRIES {
            let current = match self.tree.look(path, self.parent, 0) {
                Found::Absent => None,
                Found::Held(known, _) => Some(known),
                Found::Unstable => continue,
            };
            if let Some(Known { what: What::Odd(why), .. }) = &current {
                return self.failed(ErrorCode::Other, why);
            }
            let state = current.as_ref().and_then(Known::entry);
            if agree(state.as_ref(), self.op.new.as_ref()) {
                return Outcome::Applied { rev: self.tree.record(path, current), state };
            }
            if !agree(state.as_ref(), self.op.base.as_ref()) {
                return Outcome::Stale { rev: self.tree.record(path, current), state };
            }
            match self.step(current.as_ref(), &mut content) {
                Step::Done(known) => return self.done(known.as_deref()),
                Step::Again => {}
                Step::Failed(error) => return Outcome::Failed(error),
            }
        }
        self.failed(ErrorCode::Stale, "it changes faster than it can be edited")
    }

    /// From the base to what is wanted, in one step.
    fn step(&self, current: Option<&Known>, content: &mut Content) -> Step {
        match (current.map(|known| &known.what), &self.op.new) {
            (Some(What::Directory(_)), None) => self.remove_directory(),
            (_, None) => current.map_or(Step::Done(None), |current| self.remove(current)),
            (Some(What::Directory(_)), Some(Entry::Directory { mode })) => self.set_mode(*mode),
            (Some(What::File(held, _)), Some(Entry::File { digest, mode, .. }))
                if held == digest =>
            {
                self.set_mode(*mode)
            }
            (None, Some(Entry::Directory { mode })) => self.make_directory(*mode),
            (_, Some(new)) => match self.prepare(current, new, content) {
                Ok(temp) => self.put(current, new, temp, content),
                Err(error) => Step::Failed(error),
            },
        }
    }

    /// What the path holds after the step. Looked at again: a file system may
    /// not keep every bit, and somebody may have been quick.
    fn done(&self, known: Option<&Known>) -> Outcome {
        let path = &self.op.path;
        let found = match known {
            Some(_) => look::look(self.parent, self.name, known, 0),
            None => self.tree.look(path, self.parent, 0),
        };
        let state = match found {
            Found::Held(known, _) => Some(known),
            Found::Absent => None,
            Found::Unstable => return self.as_wanted(), // being written to already
        };
        let entry = state.as_ref().and_then(Known::entry);
        if same_content(entry.as_ref(), self.op.new.as_ref()) {
            return Outcome::Applied { rev: self.tree.record(path, state), state: entry };
        }
        self.as_wanted()
    }

    /// It was applied, and edited since: the edit is the watcher's to tell, by
    /// how it differs from what is told here.
    fn as_wanted(&self) -> Outcome {
        let state = self.op.new.clone();
        let known = state.as_ref().map(Known::said);
        Outcome::Applied { rev: self.tree.record(&self.op.path, known), state }
    }

    fn prepare(
        &self,
        current: Option<&Known>,
        new: &Entry,
        content: &mut Content,
    ) -> Result<Temp, WireError> {
        let store = &self.tree.store;
        let failed = |error: io::Error| store::failure("write", &self.op.path, &error);
        let temp = match (new, std::mem::replace(content, Content::None)) {
            (Entry::Symlink { target }, _) => {
                Temp::symlink(store, self.parent, target).map_err(failed)?
            }
            (Entry::Directory { .. }, _) => Temp::directory(store, self.parent).map_err(failed)?,
            (Entry::File { .. }, Content::Ready(temp)) => temp,
            (Entry::File { digest, size, .. }, Content::Body(body)) => {
                if *blake3::hash(&body).as_bytes() != *digest || body.len() as u64 != *size {
                    let message =
                        format!("the content for {} is not what was announced", self.op.path);
                    return Err(WireError::new(ErrorCode::BadRequest, message));
                }
                let mut temp = Temp::file(store, self.parent).map_err(failed)?;
                if let Some(file) = temp.open_file() {
                    io::Write::write_all(file, &body).map_err(failed)?;
                }
                temp
            }
            (Entry::File { .. }, Content::None) => {
                let message = format!("the content for {} is missing", self.op.path);
                return Err(WireError::new(ErrorCode::BadRequest, message));
            }
        };
        temp.dress(new, self.parent, current.map(|_| self.name)).map_err(failed)?;
        Ok(temp)
    }

    /// Makes `temp` visible. Where somebody came in between, `content` gets it
    /// back for the next try.
    fn put(
        &self,
        current: Option<&Known>,
        new: &Entry,
        mut temp: Temp,
        content: &mut Content,
    ) -> Step {
        let put = |temp: &mut Temp| match current {
            None => self.rename_in(temp),
            Some(current) => self.exchange(current, new, temp),
        };
        let mut result = put(&mut temp);
        if matches!(result, Err(Errno::XDEV)) && !temp.is_beside() {
            let moved = temp.move_beside(&self.tree.store, self.parent, new).and_then(|moved| {
                moved.dress(new, self.parent, current.map(|_| self.name)).map(|()| moved)
            });
            temp = match moved {
                Ok(moved) => moved,
                Err(error) => {
                    return Step::Failed(store::failure("write", &self.op.path, &error));
                }
            };
            result = put(&mut temp);
        }
        match result {
            Ok(Step::Again) => {
                if matches!(new, Entry::File { .. }) {
                    *content = Content::Ready(temp);
                }
                Step::Again
            }
            Ok(Step::Done(_)) => Step::Done(Self::known(&mut temp, new)),
            Ok(step) => step,
            Err(error) => self.gave_up("write", error),
        }
    }

    /// What is known of content that was written and verified here.
    fn known(temp: &mut Temp, new: &Entry) -> Option<Box<Known>> {
        let Entry::File { digest, .. } = new else { return None };
        let stat = rustix::fs::fstat(temp.open_file()?).ok()?;
        let stamp = look::stamp(&stat);
        // Whoever writes to it now sets its modification time to now; only where
        // ours is that young do both look alike.
        let times = Stamp { ctime_ns: stamp.mtime_ns, ..stamp };
        let racy = look::is_racy(&times, look::now_ns());
        Some(Box::new(Known { stamp, racy, what: What::File(*digest, look::mode(&stat)) }))
    }

    fn remove_directory(&self) -> Step {
        match rustix::fs::unlinkat(self.parent, self.name, AtFlags::REMOVEDIR) {
            Ok(()) => Step::Done(None),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                self.not_empty().map_or(Step::Again, Step::Failed)
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Step::Again,
            Err(error) => self.gave_up("remove", error),
        }
    }

    fn make_directory(&self, mode: u16) -> Step {
        match rustix::fs::mkdirat(self.parent, self.name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {
                dir::adopt_owner(self.parent, self.name);
                self.set_mode(mode)
            }
            Err(Errno::EXIST) => Step::Again,
            Err(error) => self.gave_up("make", error),
        }
    }

    fn set_mode(&self, mode: u16) -> Step {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let set = rustix::fs::openat(self.parent, self.name, flags, Mode::empty()).and_then(|fd| {
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(u32::from(mode)))?;
            if let Some(Entry::File { mtime_ns, .. }) = self.op.new {
                let _ = temp::set_mtime(&fd, mtime_ns); // a courtesy
            }
            Ok(())
        });
        match set {
            Ok(()) => Step::Done(None),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Step::Again,
            Err(error) => self.gave_up("set the mode of", error),
        }
    }

    /// Why a folder stays; none when it is empty.
    fn not_empty(&self) -> Option<WireError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let names = rustix::fs::openat(self.parent, self.name, flags, Mode::empty())
            .map_err(io::Error::from)
            .and_then(|fd| store::names(fd.as_fd()))
            .ok()
            .filter(|names| !names.is_empty())?;
        let shown: Vec<_> = names.iter().take(3).map(|name| crate::path::shown(name)).collect();
        let more = if names.len() > shown.len() { ", …" } else { "" };
        let message = format!(
            "the folder {} still holds what is not synced ({}{more}) and was kept",
            self.op.path,
            shown.join(", ")
        );
        Some(WireError::new(ErrorCode::Other, message))
    }

    fn gave_up(&self, tried: &str, error: Errno) -> Step {
        Step::Failed(store::failure(tried, &self.op.path, &error.into()))
    }

    fn failed(&self, code: ErrorCode, why: &str) -> Outcome {
        Outcome::Failed(WireError::new(code, format!("unable to edit {}: {why}", self.op.path)))
    }
}

fn same_content(left: Option<&Entry>, right: Option<&Entry>) -> bool {
    match (left, right) {
        (
            Some(Entry::File { digest, size, .. }),
            Some(Entry::File { digest: other, size: other_size, .. }),
        ) => digest == other && size == other_size,
        (Some(Entry::Directory { .. }), Some(Entry::Directory { .. })) => true,
        _ => agree(left, right),
    }
}

/// The path of an op, for ordering.
pub fn depth(path: &RelPath) -> usize {
    path.names().count()
}
