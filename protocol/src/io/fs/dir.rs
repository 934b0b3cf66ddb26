//! The tree's root as a directory handle. Every path is resolved beneath it by
//! the kernel, never by joining strings, and no symbolic link is followed on the
//! way. Knows nothing of what a sync does with the paths.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::{ErrorCode, WireError};
use crate::path::RelPath;

/// A root that is open.
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
    dev: u64,
    ino: u64,
    openat2: AtomicBool,
}

impl Root {
    /// Opens the directory, which is made (with its parents) where it is missing.
    ///
    /// # Errors
    /// A code and a sentence that names the path and the reason.
    pub fn open(path: &Path) -> Result<Self, WireError> {
        let fd = match open_root(path) {
            Err(Errno::NOENT) => {
                std::fs::create_dir_all(path)
                    .map_err(|error| refusal("unable to make the folder", path, &error))?;
                open_root(path)
            }
            opened => opened,
        }
        .map_err(|error| refusal("unable to open the folder", path, &error.into()))?;
        let stat = rustix::fs::fstat(&fd)
            .map_err(|error| refusal("unable to look at the folder", path, &error.into()))?;
        Ok(Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            path: path.to_owned(),
            openat2: AtomicBool::new(true),
            fd,
        })
    }

    /// Where it is, for messages only.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode.
    pub fn identity(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }

    /// When it was made, in nanoseconds, where the file system tells.
    pub fn birth_ns(&self) -> i128 {
        rustix::fs::statx(&self.fd, c"", AtFlags::EMPTY_PATH, rustix::fs::StatxFlags::BTIME)
            .map(|statx| {
                i128::from(statx.stx_btime.tv_sec) * 1_000_000_000
                    + i128::from(statx.stx_btime.tv_nsec)
            })
            .unwrap_or_default()
    }

    /// Whether the path still leads to the very directory that is open.
    ///
    /// # Errors
    /// Says what became of it.
    pub fn check(&self) -> Result<(), String> {
        let path = self.path.display();
        match rustix::fs::stat(&self.path) {
            Ok(stat) if (stat.st_dev, stat.st_ino) == (self.dev, self.ino) => Ok(()),
            Ok(_) => Err(format!("another folder or file system is now at {path}")),
            Err(error) => Err(format!("the folder {path} is gone: {}", io::Error::from(error))),
        }
    }

    /// Opens a directory for reading.
    ///
    /// # Errors
    /// The system's; `ELOOP` or `ENOTDIR` where the way leads over something else
    /// than directories.
    pub fn read_dir(&self, path: &RelPath) -> io::Result<OwnedFd> {
        self.open_dir(path, OFlags::RDONLY)
    }

    /// A handle of the directory that `path` is in, good for naming entries.
    ///
    /// # Errors
    /// See [`Root::read_dir`].
    pub fn parent(&self, path: &RelPath) -> io::Result<OwnedFd> {
        self.open_dir(&path.parent().unwrap_or_default(), OFlags::PATH)
    }

    /// Like [`Root::parent`], making the directories that are missing.
    ///
    /// # Errors
    /// See [`Root::read_dir`].
    pub fn make_parent(&self, path: &RelPath) -> io::Result<OwnedFd> {
        match self.parent(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let parent = path.parent().unwrap_or_default();
        let mut fd = self.open_dir(&RelPath::root(), OFlags::PATH)?;
        for name in parent.names() {
            match rustix::fs::mkdirat(&fd, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => adopt_owner(fd.as_fd(), name),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            fd = open_component(fd.as_fd(), name, OFlags::PATH)?;
        }
        Ok(fd)
    }

    fn open_dir(&self, path: &RelPath, access: OFlags) -> io::Result<OwnedFd> {
        let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if path.is_root() {
            return Ok(rustix::fs::openat(&self.fd, c".", flags, Mode::empty())?);
        }
        if self.openat2.load(Ordering::Relaxed) {
            let resolve =
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            let opened =
                rustix::fs::openat2(&self.fd, path.as_bytes(), flags, Mode::empty(), resolve);
            match opened {
                // Old kernels lack it, and old seccomp profiles deny what they
                // do not know. A real EPERM comes again from the slow way.
                Err(Errno::NOSYS | Errno::PERM) => self.openat2.store(false, Ordering::Relaxed),
                Err(error) => return Err(error.into()),
                Ok(fd) => return Ok(fd),
            }
        }
        let mut fd = rustix::fs::openat(
            &self.fd,
            c".",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut names = path.names().peekable();
        while let Some(name) = names.next() {
            let access = if names.peek().is_some() { OFlags::PATH } else { access };
            fd = open_component(fd.as_fd(), name, access)?;
        }
        Ok(fd)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Gives a fresh entry its directory's owner when this process may: an agent
/// that runs as root must not leave files that the app cannot write.
pub fn adopt_owner(parent: BorrowedFd<'_>, name: &[u8]) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if let Ok(stat) = rustix::fs::fstat(parent) {
        let owner = Some(rustix::fs::Uid::from_raw(stat.st_uid));
        let group = Some(rustix::fs::Gid::from_raw(stat.st_gid));
        // Where it is refused the file stays ours, as without this courtesy.
        let _ = rustix::fs::chownat(parent, name, owner, group, AtFlags::SYMLINK_NOFOLLOW);
    }
}

/// What is called `name` in a directory, itself, not what it may point to.
///
/// # Errors
/// The system's.
pub fn stat_at(parent: impl AsFd, name: &[u8]) -> Result<Stat, Errno> {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// The kind of what was looked at.
pub fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn open_component(parent: BorrowedFd<'_>, name: &[u8], access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// The root's own path may lead over links: the user named it.
fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path.as_os_str().as_bytes(), flags, Mode::empty())
}

/// A refusal in words: what was tried with which path, and why not.
pub fn refusal(tried: &str, path: &Path, error: &io::Error) -> WireError {
    let wire = WireError::from(error);
    let code = match error.kind() {
        io::ErrorKind::NotADirectory => ErrorCode::BadRequest,
        _ => wire.code,
    };
    WireError::new(code, format!("{tried} {}: {}", path.display(), reason(error)))
}

/// The system's words without its number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}
