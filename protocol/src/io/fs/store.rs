//! What a replica keeps for its tree: its id, temporary files and the trash.
//! Content that an edit displaces is moved here as it is, an inode, and can be
//! brought back. Decides nothing about edits.
//!
//! ```text
//! STORE/replica      16 random bytes, and the root they were made for
//! STORE/trash/ID     a displaced inode; before that, the new content on its way
//! STORE/trash/log    one record per item, appended before anything is displaced
//! ```
//!
//! New content is written to `trash/ID` and exchanged with what it replaces, so
//! the displaced inode is in the trash by the same step that made the new one
//! visible. A crash in between leaves either new content that nobody saw (its
//! digest is the one the record says was coming: removed at the next start) or a
//! trash item.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::dir::{self, Root, reason};
use super::look::{self, Found};
use crate::error::{ErrorCode, WireError};
use crate::io::replica::TrashItem;
use crate::limits::{TRASH_AGE_MAX, TRASH_BYTES_MAX, TRASH_ITEMS_MAX};
use crate::path::RelPath;
use crate::sync::entry::Entry;

mod log;

/// The store's name inside a tree.
pub const STORE_NAME: &[u8] = b".towline";
/// The start of every other name of ours.
pub const OWN_PREFIX: &[u8] = b".towline-";

/// Temporary files that could not be in the store, because a mount point lies
/// between.
pub const TEMP_PREFIX: &[u8] = b".towline-tmp-";

/// Where a replica keeps what it must remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// In the tree, as `.towline`: with the tree it comes and goes.
    InTree,
    /// In this directory; best on the tree's file system.
    Dir(PathBuf),
}

/// An open store.
pub struct Store {
    fd: OwnedFd,
    trash: OwnedFd,
    dev: u64,
    replica: [u8; 16],
    items: Mutex<Items>,
}

struct Items {
    log: std::fs::File,
    next: u64,
    list: VecDeque<TrashItem>,
    bytes: u64,
}

/// How much of the end of the log is not believed after a start without looking
/// at the content: more edits are never under way at once.
const DOUBTED: usize = 256;

impl Store {
    /// Opens the store, which is made where it is missing.
    ///
    /// # Errors
    /// Says what was tried, with the path.
    pub fn open(root: &Root, place: &StorePlace) -> Result<Self, WireError> {
        let (fd, path) = match place {
            StorePlace::InTree => {
                let path = root.path().join(".towline");
                (make_dir(root.as_fd(), STORE_NAME), path)
            }
            StorePlace::Dir(path) => {
                let opened = std::fs::create_dir_all(path).and_then(|()| {
                    let parent = std::fs::File::open(path)?;
                    make_dir(parent.as_fd(), b"replica.d")
                });
                (opened, path.clone())
            }
        };
        let failed =
            |error: io::Error| dir::refusal("unable to write in the folder", &path, &error);
        let fd = fd.map_err(failed)?;
        let trash = make_dir(fd.as_fd(), b"trash").map_err(failed)?;
        let replica = identify(root, place, fd.as_fd()).map_err(failed)?;
        let dev = rustix::fs::fstat(&trash).map_err(|error| failed(error.into()))?.st_dev;
        let items = Items::open(trash.as_fd()).map_err(failed)?;
        let store = Self { fd, trash, dev, replica, items: Mutex::new(items) };
        store.prune(&mut store.items());
        Ok(store)
    }

    /// Names the tree for good.
    pub fn replica(&self) -> [u8; 16] {
        self.replica
    }

    /// Where displaced inodes and content on its way are.
    pub fn trash(&self) -> BorrowedFd<'_> {
        self.trash.as_fd()
    }

    /// The device of the trash: only within it can a rename reach it.
    pub fn dev(&self) -> u64 {
        self.dev
    }

    /// An id for content on its way or a displaced inode.
    pub fn reserve(&self) -> u64 {
        let mut items = self.items();
        items.next += 1;
        items.next
    }

    /// Writes down what is about to be displaced into `trash/ID`, and what stands
    /// there until then.
    ///
    /// # Errors
    /// The system's; then nothing may be displaced.
    pub fn record(
        &self,
        id: u64,
        path: &RelPath,
        entry: &Entry,
        coming: Option<&Entry>,
    ) -> io::Result<()> {
        let at_us = u64::try_from(look::now_ns() / 1000).unwrap_or_default();
        let item = TrashItem { id, path: path.clone(), entry: entry.clone(), at_us };
        let mut items = self.items();
        items.log.write_all(&log::encode(&item, coming))?;
        items.bytes += cost(&item.entry);
        items.list.push_back(item);
        self.prune(&mut items);
        Ok(())
    }

    /// Forgets an item that was not displaced after all. Its file is not
    /// touched.
    pub fn forget(&self, id: u64) {
        let mut items = self.items();
        if let Some(at) = items.list.iter().rposition(|item| item.id == id)
            && let Some(item) = items.list.remove(at)
        {
            items.bytes = items.bytes.saturating_sub(cost(&item.entry));
        }
    }

    /// Forgets records of `id` that a newer one replaces; with `keep` the newest
    /// stays.
    pub fn forget_older(&self, id: u64, keep: bool) {
        let mut items = self.items();
        let newest = items.list.iter().rposition(|item| item.id == id).filter(|_| keep);
        let mut freed = 0;
        let mut at = 0;
        items.list.retain(|item| {
            let stays = item.id != id || Some(at) == newest;
            at += 1;
            if !stays {
                freed += cost(&item.entry);
            }
            stays
        });
        items.bytes = items.bytes.saturating_sub(freed);
    }

    /// Removes content that was on its way.
    pub fn discard(&self, id: u64) {
        remove_item(self.trash(), id);
    }

    /// What was displaced, newest first.
    pub fn list(&self) -> Vec<TrashItem> {
        let mut items = self.items();
        self.prune(&mut items);
        items.list.iter().rev().cloned().collect()
    }

    /// One item.
    pub fn item(&self, id: u64) -> Option<TrashItem> {
        self.items().list.iter().find(|item| item.id == id).cloned()
    }

    /// Removes everything the store holds, and the store.
    ///
    /// # Errors
    /// The first that could not be removed.
    pub fn remove(&self, root: &Root, place: &StorePlace) -> io::Result<()> {
        let mut items = self.items();
        items.list.clear();
        items.bytes = 0;
        for name in names(self.trash())? {
            let _ = remove_any(self.trash(), &name); // the rmdir below tells
        }
        rustix::fs::unlinkat(&self.fd, b"trash".as_slice(), AtFlags::REMOVEDIR)?;
        for name in names(self.fd.as_fd())? {
            let _ = remove_any(self.fd.as_fd(), &name);
        }
        match place {
            StorePlace::InTree => {
                rustix::fs::unlinkat(root, STORE_NAME, AtFlags::REMOVEDIR)?;
            }
            StorePlace::Dir(path) => {
                std::fs::remove_dir(path.join("replica.d"))?;
                let _ = std::fs::remove_dir(path); // somebody else's files may be there
            }
        }
        Ok(())
    }

    fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the trash within its limits, oldest first.
    fn prune(&self, items: &mut Items) {
        let age_us = u64::try_from(TRASH_AGE_MAX.as_micros()).unwrap_or(u64::MAX);
        let now_us = u64::try_from(look::now_ns() / 1000).unwrap_or_default();
        while let Some(oldest) = items.list.front() {
            let old = oldest.at_us.saturating_add(age_us) < now_us;
            // The newest stays whatever its size: it is being displaced now.
            let full = (items.bytes > TRASH_BYTES_MAX && items.list.len() > 1)
                || items.list.len() > TRASH_ITEMS_MAX;
            if !old && !full {
                break;
            }
            remove_item(self.trash(), oldest.id);
            items.bytes = items.bytes.saturating_sub(cost(&oldest.entry));
            items.list.pop_front();
        }
    }
}

impl Items {
    /// Reads the log and keeps what is really there.
    fn open(trash: BorrowedFd<'_>) -> io::Result<Self> {
        let logged = log::read(trash)?;
        let mut next = logged.iter().map(|logged| logged.item.id).max().unwrap_or_default();
        let doubted = logged.len().saturating_sub(DOUBTED);
        let mut list = VecDeque::new();
        let mut known = std::collections::HashSet::new();
        for (at, log::Logged { item, coming }) in logged.into_iter().enumerate() {
            let name = item.id.to_string();
            let there = match dir::stat_at(trash, name.as_bytes()) {
                Err(_) => false,
                Ok(_) if at < doubted => true,
                // Killed just before the exchange: the new content still is here.
                Ok(_) => match (look::look(trash, name.as_bytes(), None, 0), &coming) {
                    (Found::Held(found, _), Some(coming)) => found
                        .entry()
                        .is_none_or(|found| same(&found, &item.entry) || !same(&found, coming)),
                    _ => true,
                },
            };
            if there && known.insert(item.id) {
                list.push_back(item);
            }
        }
        for name in names(trash)? {
            let id = std::str::from_utf8(&name).ok().and_then(|name| name.parse::<u64>().ok());
            if let Some(id) = id {
                next = next.max(id);
                if !known.contains(&id) {
                    let _ = remove_any(trash, &name);
                }
            }
        }
        let log = log::rewrite(trash, list.iter())?;
        let bytes = list.iter().map(|item| cost(&item.entry)).sum();
        Ok(Self { log, next, list, bytes })
    }
}

fn same(found: &Entry, logged: &Entry) -> bool {
    match (found, logged) {
        (
            Entry::File { digest, size, .. },
            Entry::File { digest: logged_digest, size: logged_size, .. },
        ) => digest == logged_digest && size == logged_size,
        _ => found == logged,
    }
}

fn cost(entry: &Entry) -> u64 {
    match entry {
        Entry::File { size, .. } => size.saturating_add(4096),
        _ => 4096,
    }
}

fn make_dir(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// The id that is stored, or a new one where none is or where it was stored for
/// another root. A store outside of the tree does not go with the tree, so there
/// the root's device, inode and birth are part of it.
fn identify(root: &Root, place: &StorePlace, fd: BorrowedFd<'_>) -> io::Result<[u8; 16]> {
    let bound = match place {
        StorePlace::InTree => Vec::new(),
        StorePlace::Dir(_) => {
            let (dev, ino) = root.identity();
            format!("{dev} {ino} {}", root.birth_ns()).into_bytes()
        }
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if let Ok(fd) = rustix::fs::openat(fd, b"replica".as_slice(), flags, Mode::empty()) {
        let mut stored = Vec::new();
        std::fs::File::from(fd).take(256).read_to_end(&mut stored)?;
        if let Some((id, rest)) = stored.split_first_chunk::<16>()
            && *rest == *bound
        {
            return Ok(*id);
        }
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o600);
    let mut file =
        std::fs::File::from(rustix::fs::openat(fd, b"replica.new".as_slice(), flags, mode)?);
    file.write_all(&id)?;
    file.write_all(&bound)?;
    file.sync_all()?;
    rustix::fs::renameat(fd, b"replica.new".as_slice(), fd, b"replica".as_slice())?;
    Ok(id)
}

fn remove_item(trash: BorrowedFd<'_>, id: u64) {
    let name = id.to_string();
    let _ = remove_any(trash, name.as_bytes()); // it may never have been made
}

/// Removes a file, a link or an empty directory.
fn remove_any(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR),
        done => done,
    }
}

/// The names in a directory, without `.` and `..`.
///
/// # Errors
/// The system's.
pub fn names(fd: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// A failed step on a path, in words.
pub fn failure(tried: &str, path: &RelPath, error: &io::Error) -> WireError {
    let wire = WireError::from(error);
    WireError::new(wire.code, format!("unable to {tried} {path}: {}", reason(error)))
}

/// There is no such item.
pub fn no_item(id: u64) -> WireError {
    WireError::new(ErrorCode::NotFound, format!("the trash holds no item {id}"))
}
