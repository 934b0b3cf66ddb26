//! The hub's log file: bounded, one older file is kept.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use protocol::limits::HUB_LOG_MAX;

/// A file that is set aside when it has grown to its limit.
pub struct RotatingLog {
    path: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    len: u64,
}

impl RotatingLog {
    /// Goes on with the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = append_to(path)?;
        let len = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), open: Mutex::new(Open { file, len }) })
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if open.len >= HUB_LOG_MAX {
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *open = Open { file: append_to(&self.path)?, len: 0 };
        }
        open.len += bytes.len() as u64;
        open.file.write_all(bytes)
    }
}

impl Write for &RotatingLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a log for appending, for its owner only.
///
/// # Errors
/// The system's.
pub fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_set_aside_at_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.log");
        let log = RotatingLog::open(&path).unwrap();
        let line = vec![b'x'; 64 * 1024];
        for _ in 0..3 * HUB_LOG_MAX / 65536 {
            (&log).write_all(&line).unwrap();
        }
        let total: u64 = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(total <= 2 * (HUB_LOG_MAX + 65536), "{total}");
    }
}
