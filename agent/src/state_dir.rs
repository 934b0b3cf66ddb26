//! The agent's own directory: who holds it, what is in it, that it goes away.
//! Knows nothing of connections.
//!
//! | file | what |
//! |---|---|
//! | `lock` | held by the agent that lives |
//! | `start` | held by an attach while it looks for, or starts, the agent |
//! | `agent.sock` | where it listens |
//! | `marker` | marks the processes that it started |
//! | `log` | what it says, bounded |

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use protocol::io::process;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The log is started over beyond this: it is for the last failure only.
const LOG_LEN_MAX: u64 = 1024 * 1024;

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Somebody else's.
    #[error("the state directory {path:?} belongs to user {uid}, not to this one")]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose.
        uid: u32,
    },
    /// An operation failed.
    #[error("unable to {what} {path:?}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// A state directory.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

/// Held as long as this lives.
#[derive(Debug)]
pub struct Lock(File);

impl StateDir {
    /// Makes it, for this user alone, or checks that it is so.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn create(path: &Path) -> Result<Self, StateDirError> {
        let failed = |what| move |source| StateDirError::Io { what, path: path.to_owned(), source };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(failed("create the state directory"))?;
        let meta = std::fs::symlink_metadata(path).map_err(failed("look at"))?;
        if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(StateDirError::Foreign { path: path.to_owned(), uid: meta.uid() });
        }
        if meta.mode() & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
                .map_err(failed("close to others"))?;
        }
        Ok(Self(path.to_owned()))
    }

    /// Where the agent listens.
    pub fn socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }

    /// Waits until nobody else looks for or starts the agent.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn lock_start(&self) -> Result<Lock, StateDirError> {
        loop {
            if let Some(lock) = self.lock("start", FlockOperation::LockExclusive)? {
                return Ok(lock);
            }
            Self::create(&self.0)?; // an agent that ended took the directory along
        }
    }

    /// The right to be the agent; `None` while another one lives.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn lock_agent(&self) -> Result<Option<Lock>, StateDirError> {
        self.lock("lock", FlockOperation::NonBlockingLockExclusive)
    }

    /// `None` when it is held, or when the file locked is not the one at the
    /// path any more.
    fn lock(&self, name: &str, how: FlockOperation) -> Result<Option<Lock>, StateDirError> {
        let path = self.0.join(name);
        let failed = |what| {
            let path = path.clone();
            move |source| StateDirError::Io { what, path, source }
        };
        let opened =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed("open"))?,
        };
        match flock(&file, how) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            locked => locked.map_err(io::Error::from).map_err(failed("lock"))?,
        }
        let held = file.metadata().map_err(failed("look at"))?.ino();
        match std::fs::metadata(&path) {
            Ok(there) if there.ino() == held => Ok(Some(Lock(file))),
            _ => Ok(None),
        }
    }

    /// Whether the lock still is the one at the path: who removes the directory
    /// takes it from the agent.
    pub fn holds(&self, lock: &Lock) -> bool {
        let held = lock.0.metadata().map(|meta| meta.ino());
        let there = std::fs::metadata(self.0.join("lock")).map(|meta| meta.ino());
        matches!((held, there), (Ok(held), Ok(there)) if held == there)
    }

    /// The marker that an earlier agent left behind.
    pub fn marker(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.0.join("marker")).ok()?;
        process::is_marker(text.as_bytes()).then_some(text)
    }

    /// Records this agent's marker.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn write_marker(&self, marker: &str) -> Result<(), StateDirError> {
        let path = self.0.join("marker");
        std::fs::write(&path, marker).map_err(|source| StateDirError::Io {
            what: "write",
            path,
            source,
        })
    }

    /// Where the agent's words go.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn log(&self) -> Result<Log, StateDirError> {
        let path = self.0.join("log");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        file.map(Log).map_err(|source| StateDirError::Io { what: "open", path, source })
    }

    /// Removes everything. Call it with the agent's lock held.
    pub fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = ?self.0, "unable to remove the state directory");
        }
    }
}

/// A file that starts over when it is long.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Another handle, for a standard error stream.
    ///
    /// # Errors
    /// The operating system's.
    pub fn duplicate(&self) -> io::Result<File> {
        self.0.try_clone()
    }
}

impl Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.metadata()?.len() > LOG_LEN_MAX {
            self.0.set_len(0)?;
        }
        (&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.0).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_at_a_time_and_none_on_a_directory_that_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a").join("b");
        let dir = StateDir::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let lock = dir.lock_agent().unwrap().unwrap();
        assert!(dir.lock_agent().unwrap().is_none());
        dir.remove();
        assert!(dir.lock_agent().unwrap().is_none());
        StateDir::create(&path).unwrap();
        let second = dir.lock_agent().unwrap();
        assert!(second.is_some(), "the removed file's lock holds nobody back");
        drop(lock);
    }

    #[test]
    fn a_marker_that_is_not_ours_is_not_believed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::create(temp.path()).unwrap();
        assert_eq!(dir.marker(), None);
        dir.write_marker("0123456789abcdef0123456789abcdef").unwrap();
        assert!(dir.marker().is_some());
        dir.write_marker("").unwrap(); // would match every process
        assert_eq!(dir.marker(), None);
    }
}
