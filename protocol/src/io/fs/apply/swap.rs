//! The steps that make content visible or take it away, each of which can be
//! undone when what came out is not what was looked at.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use super::{Job, Step, TRIES};
use crate::error::{ErrorCode, WireError};
use crate::io::fs::dir;
use crate::io::fs::index::{Known, What};
use crate::io::fs::look::{self, Found};
use crate::io::fs::store;
use crate::io::fs::temp::{self, Temp, beside_name};
use crate::sync::entry::Entry;

/// A displaced file up to this size is read again to be sure; for longer ones
/// size, times and inode speak.
const VERIFY_LEN_MAX: u64 = 1024 * 1024;

impl Job<'_> {
    pub(super) fn rename_in(&self, temp: &mut Temp) -> Result<Step, Errno> {
        let (from, from_name) = temp.at();
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(from, from_name, self.parent, self.name, flags) {
            Ok(()) => {
                temp.disarm();
                Ok(Step::Done(None))
            }
            Err(Errno::EXIST) => Ok(Step::Again),
            // No such flag here: a hard link refuses to replace just as well, and
            // the temporary name is removed with `temp`.
            Err(Errno::INVAL | Errno::NOSYS) => {
                let flags = AtFlags::empty();
                match rustix::fs::linkat(from, from_name, self.parent, self.name, flags) {
                    Ok(()) => Ok(Step::Done(None)),
                    Err(Errno::EXIST) => Ok(Step::Again),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn exchange(
        &self,
        current: &Known,
        new: &Entry,
        temp: &mut Temp,
    ) -> Result<Step, Errno> {
        let store = &self.tree.store;
        if current.is_directory()
            && let Some(error) = self.not_empty()
        {
            return Ok(Step::Failed(error));
        }
        let Some(entry) = current.entry() else { return Ok(Step::Again) };
        if let Err(error) = store.record(temp.id, &self.op.path, &entry, Some(new)) {
            return Ok(Step::Failed(store::failure(
                "note what is displaced at",
                &self.op.path,
                &error,
            )));
        }
        let ours = dir::stat_at(temp.at().0, temp.at().1).map(|stat| stat.st_ino)?;
        match self.swap(temp) {
            Ok(()) => {}
            Err(error) => {
                store.forget(temp.id);
                return match error {
                    Errno::NOENT => Ok(Step::Again),
                    Errno::INVAL | Errno::NOSYS => self.replace(current, &entry, new, temp),
                    error => Err(error),
                };
            }
        }
        let (dir, name) = temp.at();
        let verdict = if current.is_directory() {
            // Only an empty one may go; what is in it is ignored or just made.
            match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
                Ok(()) => {
                    store.forget(temp.id);
                    temp.disarm();
                    return Ok(Step::Done(None));
                }
                // Filled since it was seen to be empty.
                Err(_) => Step::Again,
            }
        } else if is_unchanged(dir, name, current) {
            if temp.is_beside()
                && let Err(error) = temp::copy_to_trash(store, temp.id, dir, name)
            {
                tracing::warn!(path = %self.op.path, %error, "displaced content stays beside its place");
            }
            temp.disarm();
            return Ok(Step::Done(None));
        } else {
            Step::Again
        };
        self.swap_back(temp, ours)?;
        Ok(verdict)
    }

    fn swap(&self, temp: &Temp) -> Result<(), Errno> {
        let (dir, name) = temp.at();
        rustix::fs::renameat_with(dir, name, self.parent, self.name, RenameFlags::EXCHANGE)
    }

    /// Undoes an exchange. Somebody may have replaced the new content in the
    /// meantime: then what comes out is theirs and newest, and goes back again,
    /// and what was displaced first stays in the trash.
    fn swap_back(&self, temp: &mut Temp, ours: u64) -> Result<(), Errno> {
        for round in 0..TRIES {
            if let Err(error) = self.swap(temp) {
                // The path was removed by somebody: what was displaced stays in
                // the trash.
                temp.disarm();
                return if error == Errno::NOENT { Ok(()) } else { Err(error) };
            }
            let (dir, name) = temp.at();
            if dir::stat_at(dir, name).is_ok_and(|stat| stat.st_ino == ours) {
                self.tree.store.forget(temp.id);
                return Ok(());
            }
            temp.disarm();
            if round % 2 == 1 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// For file systems that cannot exchange: a second link keeps the displaced
    /// inode, then the new content is renamed over it. Somebody who renames in
    /// just between loses to us; who writes in place is kept by the link.
    fn replace(
        &self,
        current: &Known,
        entry: &Entry,
        new: &Entry,
        temp: &mut Temp,
    ) -> Result<Step, Errno> {
        let store = &self.tree.store;
        if current.is_directory() || matches!(new, Entry::Directory { .. }) {
            let message =
                format!("the file system cannot swap a folder and a file at {}", self.op.path);
            return Ok(Step::Failed(WireError::new(ErrorCode::Unsupported, message)));
        }
        let id = store.reserve();
        let kept = id.to_string();
        if let Err(error) = store.record(id, &self.op.path, entry, None) {
            return Ok(Step::Failed(store::failure(
                "note what is displaced at",
                &self.op.path,
                &error,
            )));
        }
        let flags = AtFlags::empty();
        rustix::fs::linkat(self.parent, self.name, store.trash(), kept.as_bytes(), flags)?;
        if !is_unchanged(store.trash(), kept.as_bytes(), current) {
            store.forget(id);
            store.discard(id);
            return Ok(Step::Again);
        }
        let (from, from_name) = temp.at();
        rustix::fs::renameat(from, from_name, self.parent, self.name)?;
        temp.disarm();
        Ok(Step::Done(None))
    }

    pub(super) fn remove(&self, current: &Known) -> Step {
        let store = &self.tree.store;
        let Some(entry) = current.entry() else { return Step::Again };
        let id = store.reserve();
        if let Err(error) = store.record(id, &self.op.path, &entry, None) {
            return Step::Failed(store::failure(
                "note what is displaced at",
                &self.op.path,
                &error,
            ));
        }
        let kept = id.to_string().into_bytes();
        let aside = beside_name(id);
        let mut place = (store.trash(), kept.as_slice());
        let mut moved = move_to(self.parent, self.name, place.0, place.1);
        if moved == Err(Errno::XDEV) {
            place = (self.parent, aside.as_slice());
            moved = move_to(self.parent, self.name, place.0, place.1);
        }
        if let Err(error) = moved {
            store.forget(id);
            return if error == Errno::NOENT { Step::Again } else { self.gave_up("remove", error) };
        }
        if is_unchanged(place.0, place.1, current) {
            if place.1 == aside.as_slice()
                && let Err(error) = temp::copy_to_trash(store, id, place.0, place.1)
            {
                tracing::warn!(path = %self.op.path, %error, "displaced content stays beside its place");
            }
            return Step::Done(None);
        }
        // Put back; where something new stands by now, what was moved stays in
        // the trash.
        if move_to(place.0, place.1, self.parent, self.name).is_ok() {
            store.forget(id);
        }
        Step::Again
    }
}

/// Whether what stands at a place now still is what was looked at elsewhere: a
/// rename leaves inode, size and times but the change time.
fn is_unchanged(dir: BorrowedFd<'_>, name: &[u8], known: &Known) -> bool {
    let Ok(stat) = dir::stat_at(dir, name) else { return false };
    let stamp = look::stamp(&stat);
    match &known.what {
        What::File(digest, mode) => {
            let same = dir::kind(&stat) == FileType::RegularFile
                && stamp.ino == known.stamp.ino
                && stamp.size == known.stamp.size
                && stamp.mtime_ns == known.stamp.mtime_ns
                && look::mode(&stat) == *mode;
            if !same || stamp.size > VERIFY_LEN_MAX {
                return same;
            }
            let Found::Held(found, _) = look::look(dir, name, None, 0) else { return false };
            matches!(found.what, What::File(found, _) if found == *digest)
        }
        What::Symlink(target) => rustix::fs::readlinkat(dir, name, Vec::new())
            .is_ok_and(|found| found.as_bytes() == &**target),
        _ => false,
    }
}

/// Renames without replacing; where the file system has no such flag, the new
/// name is ours alone or was seen to be free.
fn move_to(
    from: BorrowedFd<'_>,
    name: &[u8],
    to: BorrowedFd<'_>,
    to_name: &[u8],
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, name, to, to_name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => match dir::stat_at(to, to_name) {
            Err(Errno::NOENT) => rustix::fs::renameat(from, name, to, to_name),
            _ => Err(Errno::EXIST),
        },
        done => done,
    }
}
