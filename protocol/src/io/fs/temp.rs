//! New content on its way: written where nobody looks, complete with mode, time
//! and owner before it becomes visible. Removes itself when it does not.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::dir;
use super::look;
use super::store::{Store, TEMP_PREFIX};
use crate::sync::entry::Entry;

/// No edit takes this long between its first step and its last.
const STALE_NS: i64 = 3_600_000_000_000;

/// Content that nobody sees yet.
pub struct Temp {
    /// Names it in the trash's log.
    pub id: u64,
    dir: OwnedFd,
    name: Vec<u8>,
    file: Option<std::fs::File>,
    beside: bool,
    armed: bool,
}

impl Temp {
    /// An empty file.
    ///
    /// # Errors
    /// The system's.
    pub fn file(store: &Store, parent: BorrowedFd<'_>) -> io::Result<Self> {
        let mut temp = Self::place(store, parent, needs_beside(store, parent)?)?;
        temp.create()?;
        Ok(temp)
    }

    /// A link.
    ///
    /// # Errors
    /// The system's.
    pub fn symlink(store: &Store, parent: BorrowedFd<'_>, target: &[u8]) -> io::Result<Self> {
        let mut temp = Self::place(store, parent, needs_beside(store, parent)?)?;
        rustix::fs::symlinkat(target, &temp.dir, temp.name.as_slice())?;
        temp.armed = true;
        Ok(temp)
    }

    /// An empty directory.
    ///
    /// # Errors
    /// The system's.
    pub fn directory(store: &Store, parent: BorrowedFd<'_>) -> io::Result<Self> {
        let mut temp = Self::place(store, parent, needs_beside(store, parent)?)?;
        rustix::fs::mkdirat(&temp.dir, temp.name.as_slice(), Mode::from_raw_mode(0o700))?;
        temp.armed = true;
        Ok(temp)
    }

    /// Where it is.
    pub fn at(&self) -> (BorrowedFd<'_>, &[u8]) {
        (self.dir.as_fd(), &self.name)
    }

    /// The file, for a file.
    pub fn open_file(&mut self) -> Option<&mut std::fs::File> {
        self.file.as_mut()
    }

    /// Whether it is in the directory it is meant for, not in the store.
    pub fn is_beside(&self) -> bool {
        self.beside
    }

    /// It is no longer ours to remove.
    pub fn disarm(&mut self) {
        self.armed = false;
    }

    /// Gives it mode, time and owner: those of the entry it will be, the owner of
    /// what it replaces or of its directory.
    ///
    /// # Errors
    /// The system's.
    pub fn dress(
        &self,
        entry: &Entry,
        parent: BorrowedFd<'_>,
        replaces: Option<&[u8]>,
    ) -> io::Result<()> {
        if rustix::process::geteuid().is_root() {
            let like = match replaces {
                Some(name) => dir::stat_at(parent, name),
                None => rustix::fs::fstat(parent),
            };
            if let Ok(stat) = like {
                let owner = Some(rustix::fs::Uid::from_raw(stat.st_uid));
                let group = Some(rustix::fs::Gid::from_raw(stat.st_gid));
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                // Where it is refused the file stays ours.
                let _ = rustix::fs::chownat(&self.dir, self.name.as_slice(), owner, group, flags);
            }
        }
        match (entry, &self.file) {
            (Entry::File { mode, mtime_ns, .. }, Some(file)) => {
                rustix::fs::fchmod(file, Mode::from_raw_mode(u32::from(*mode)))?;
                set_mtime(file, *mtime_ns)?;
            }
            (Entry::Directory { mode }, _) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&self.dir, self.name.as_slice(), flags, Mode::empty())?;
                rustix::fs::fchmod(fd, Mode::from_raw_mode(u32::from(*mode)))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The same content in the directory it is meant for: a mount point, which
    /// `st_dev` does not always tell of, lies between that and the store.
    ///
    /// # Errors
    /// The system's.
    pub fn move_beside(
        mut self,
        store: &Store,
        parent: BorrowedFd<'_>,
        entry: &Entry,
    ) -> io::Result<Self> {
        let mut moved = Self::place(store, parent, true)?;
        match entry {
            Entry::File { .. } => {
                moved.create()?;
                if let (Some(from), Some(to)) = (&mut self.file, &mut moved.file) {
                    io::Seek::seek(from, io::SeekFrom::Start(0))?;
                    io::copy(from, to)?;
                }
            }
            Entry::Symlink { target } => {
                rustix::fs::symlinkat(target.as_slice(), &moved.dir, moved.name.as_slice())?;
            }
            Entry::Directory { .. } => {
                rustix::fs::mkdirat(&moved.dir, moved.name.as_slice(), Mode::from_raw_mode(0o700))?;
            }
        }
        moved.armed = true;
        Ok(moved)
    }

    fn place(store: &Store, parent: BorrowedFd<'_>, beside: bool) -> io::Result<Self> {
        let id = store.reserve();
        let (dir, name) = if beside {
            (reopen(parent)?, beside_name(id))
        } else {
            (store.trash().try_clone_to_owned()?, id.to_string().into_bytes())
        };
        Ok(Self { id, dir, name, file: None, beside, armed: false })
    }

    fn create(&mut self) -> io::Result<()> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let fd = rustix::fs::openat(&self.dir, self.name.as_slice(), flags, mode)?;
        self.file = Some(fd.into());
        self.armed = true;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let name = self.name.as_slice();
        // Nothing can be done where it fails; the next start cleans up.
        if let Err(Errno::ISDIR | Errno::PERM) =
            rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())
        {
            let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::REMOVEDIR);
        }
    }
}

/// The name of content that cannot be in the store.
pub fn beside_name(id: u64) -> Vec<u8> {
    let mut name = TEMP_PREFIX.to_vec();
    name.extend_from_slice(id.to_string().as_bytes());
    name
}

/// Copies a displaced file or link from beside its place into the trash, then
/// removes it there.
///
/// # Errors
/// The system's; then it stays where it is.
pub fn copy_to_trash(store: &Store, id: u64, from: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    let to = id.to_string();
    let stat = dir::stat_at(from, name)?;
    if dir::kind(&stat) == rustix::fs::FileType::Symlink {
        let target = rustix::fs::readlinkat(from, name, Vec::new())?;
        rustix::fs::symlinkat(target, store.trash(), to.as_bytes())?;
    } else {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut source = std::fs::File::from(rustix::fs::openat(from, name, flags, Mode::empty())?);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(u32::from(look::mode(&stat)));
        let fd = rustix::fs::openat(store.trash(), to.as_bytes(), flags, mode)?;
        let mut copy = std::fs::File::from(fd);
        let copied = pour(&mut source, &mut copy)
            .and_then(|()| set_mtime(&copy, look::stamp(&stat).mtime_ns));
        if let Err(error) = copied {
            store.discard(id);
            return Err(error);
        }
    }
    rustix::fs::unlinkat(from, name, AtFlags::empty())?;
    Ok(())
}

/// Takes away what a crash left beside its place: to the trash where the log
/// says that it may be displaced content, else for good.
pub fn clean(store: &Store, directory: BorrowedFd<'_>, name: &[u8]) {
    let Ok(stat) = dir::stat_at(directory, name) else { return };
    let age_ns = look::now_ns().saturating_sub(look::stamp(&stat).ctime_ns);
    if age_ns < STALE_NS {
        return; // an edit may be at work
    }
    let id = name.strip_prefix(TEMP_PREFIX).and_then(|id| std::str::from_utf8(id).ok());
    let item = id.and_then(|id| store.item(id.parse().ok()?));
    // Where it fails it is tried again by the next scan.
    let _ = match item {
        Some(item) => copy_to_trash(store, item.id, directory, name),
        None => rustix::fs::unlinkat(directory, name, AtFlags::empty()).map_err(io::Error::from),
    };
}

/// Sets the modification time.
///
/// # Errors
/// The system's.
pub fn set_mtime(file: impl AsFd, mtime_ns: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: mtime_ns.div_euclid(1_000_000_000),
        tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
    };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

fn pour(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    io::copy(from, to).map(|_| ())
}

fn needs_beside(store: &Store, parent: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fstat(parent)?.st_dev != store.dev())
}

/// A handle of our own of a directory; `dup` would do but for its flags.
fn reopen(parent: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    parent.try_clone_to_owned()
}
