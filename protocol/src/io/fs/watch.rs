//! The kernel's events for directories, one watch each, by handle.
//!
//! Not through the `notify` crate, whose Linux backend (8.2.0, `inotify.rs`) was
//! read and found wanting here:
//! - its mask holds `IN_OPEN`: each file that is hashed, and each one the app
//!   opens, comes back as an event, and a scan overflows the queue by itself;
//! - it drops `IN_UNMOUNT` and `IN_IGNORED`, so a root that is unmounted stays
//!   silent;
//! - it watches by path, following links, so that a directory swapped for a link
//!   leads the watch out of the tree;
//! - a directory that moved keeps its kernel watch under the old path, and
//!   removing that one ends the new; each removal walks all watches;
//! - its thread panics on what the kernel may answer.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// The kernel's queue.
pub struct Watcher {
    fd: OwnedFd,
}

/// One event.
#[derive(Debug)]
pub struct Event {
    /// Which watch; none when events were lost.
    pub watch: i32,
    /// What happened.
    pub flags: ReadFlags,
    /// To which name in the directory; none: to the directory itself.
    pub name: Option<Vec<u8>>,
}

const BUFFER_LEN: usize = 64 * 1024;
/// As many as the kernel queues by default: then it is others' turn.
const EVENTS_MAX: usize = 16 * 1024;

impl Watcher {
    /// A new queue.
    ///
    /// # Errors
    /// `EMFILE` when this user has too many.
    pub fn open() -> io::Result<Self> {
        Ok(Self { fd: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)? })
    }

    /// Watches a directory. Watching one twice gives the same number.
    ///
    /// # Errors
    /// `ENOSPC` when this user has too many watches.
    pub fn watch(&self, directory: BorrowedFd<'_>, path: &Path) -> Result<i32, Errno> {
        // Not ACCESS, OPEN or CLOSE_NOWRITE: reading is nobody's edit.
        let mask = WatchFlags::CLOSE_WRITE
            | WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let handle = format!("/proc/self/fd/{}", directory.as_raw_fd());
        match inotify::add_watch(&self.fd, handle, mask) {
            // An empty container may have no /proc; then the path has to do.
            Err(Errno::NOENT | Errno::NOTDIR) => {
                inotify::add_watch(&self.fd, path, mask | WatchFlags::DONT_FOLLOW)
            }
            watched => watched,
        }
    }

    /// Watches the directory that holds displaced files for late writers.
    ///
    /// # Errors
    /// See [`Watcher::watch`].
    pub fn watch_closes(&self, directory: BorrowedFd<'_>) -> Result<i32, Errno> {
        let handle = format!("/proc/self/fd/{}", directory.as_raw_fd());
        inotify::add_watch(&self.fd, handle, WatchFlags::CLOSE_WRITE | WatchFlags::ONLYDIR)
    }

    /// What happened until now, up to a limit; what the kernel has handed over is never
    /// left behind.
    pub fn read(&self, events: &mut Vec<Event>) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_LEN];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        while events.len() < EVENTS_MAX || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => events.push(Event {
                    watch: event.wd(),
                    flags: event.events(),
                    name: event.file_name().map(|name| name.to_bytes().to_vec()),
                }),
                Err(Errno::INTR) => {}
                Err(_) => return, // AGAIN: that was all
            }
        }
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_events_than_one_look_takes_are_all_seen_or_said_to_be_lost() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::open().unwrap();
        let handle = std::fs::File::open(dir.path()).unwrap();
        watcher.watch(handle.as_fd(), dir.path()).unwrap();
        let files = EVENTS_MAX / 2 + 1000; // each is created and closed
        for file in 0..files {
            // So long that the limit is reached amid what one read of the kernel's gave.
            std::fs::write(dir.path().join(format!("{file:020}")), "x").unwrap();
        }
        let (mut closed, mut lost) = (0, false);
        loop {
            let mut events = Vec::new();
            watcher.read(&mut events);
            if events.is_empty() {
                break;
            }
            closed += events.iter().filter(|it| it.flags.contains(ReadFlags::CLOSE_WRITE)).count();
            lost |= events.iter().any(|it| it.flags.contains(ReadFlags::QUEUE_OVERFLOW));
        }
        assert!(lost || closed == files, "{closed} of {files}, and nothing said to be lost");
    }
}
