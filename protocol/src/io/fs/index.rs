//! What the tree was last known to hold, in memory: names, stamps and digests,
//! so that an event costs one look and a rescan hashes nothing twice. Touches no
//! disk.
//!
//! Directories are keyed by path and hold their names, so a path's bytes are
//! kept once per directory and an entry costs about 110 bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ignore::gitignore::Gitignore;

use crate::path::RelPath;
use crate::sync::entry::{BEING_WRITTEN, Digest, Entry};

/// What tells one version of an inode from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Inode number.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Modification time, which programs set as they like.
    pub mtime_ns: i64,
    /// Change time, which only the kernel sets.
    pub ctime_ns: i64,
}

/// What a path was last known to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Of the inode.
    pub stamp: Stamp,
    /// Looked at so soon after its last change that another change may bear the
    /// same times: the stamp alone proves nothing.
    pub racy: bool,
    /// The content.
    pub what: What,
}

/// See [`Known`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A directory with these permission bits.
    Directory(u16),
    /// A file with this content and these permission bits.
    File(Digest, u16),
    /// A symbolic link to this.
    Symlink(Box<[u8]>),
    /// Something that cannot be synced, and why.
    Odd(Box<str>),
    /// There, but none of the sync's business.
    Ignored,
}

/// The whole tree.
pub struct Index {
    /// Grows with every observation and outcome.
    pub rev: u64,
    dirs: HashMap<RelPath, Dir>,
    watches: HashMap<i32, RelPath>,
}

/// A directory that is synced.
#[derive(Default)]
pub struct Dir {
    /// Its watch.
    pub watch: Option<i32>,
    /// Its own `.gitignore`.
    pub rules: Option<Arc<Gitignore>>,
    names: BTreeMap<Box<[u8]>, Known>,
}

/// A path that left the index.
pub struct Removed {
    /// Where it was.
    pub path: RelPath,
    /// What it was.
    pub known: Known,
}

impl Known {
    /// As a sync sees it; none for what it cannot sync.
    pub fn entry(&self) -> Option<Entry> {
        match &self.what {
            What::Directory(mode) => Some(Entry::Directory { mode: *mode }),
            What::File(digest, mode) => Some(Entry::File {
                digest: *digest,
                size: self.stamp.size,
                mode: *mode,
                mtime_ns: self.stamp.mtime_ns,
            }),
            What::Symlink(target) => Some(Entry::Symlink { target: target.to_vec() }),
            What::Odd(_) | What::Ignored => None,
        }
    }

    /// Whether it is a directory that is synced.
    pub fn is_directory(&self) -> bool {
        matches!(self.what, What::Directory(_))
    }

    /// Something is there; what, the next look tells.
    pub fn unsure() -> Self {
        Self { stamp: Stamp::default(), racy: false, what: What::Odd(BEING_WRITTEN.into()) }
    }

    /// What was said of a path, though no look has seen it: the next look reads
    /// the file, and tells what differs.
    pub fn said(entry: &Entry) -> Self {
        let (what, stamp) = match entry {
            Entry::Directory { mode } => (What::Directory(*mode), Stamp::default()),
            Entry::Symlink { target } => {
                (What::Symlink(target.as_slice().into()), Stamp::default())
            }
            Entry::File { digest, size, mode, mtime_ns } => {
                let stamp = Stamp { size: *size, mtime_ns: *mtime_ns, ..Stamp::default() };
                (What::File(*digest, *mode), stamp)
            }
        };
        Self { stamp, racy: true, what }
    }
}

impl Default for Index {
    fn default() -> Self {
        let dirs = HashMap::from([(RelPath::root(), Dir::default())]);
        Self { rev: 0, dirs, watches: HashMap::new() }
    }
}

impl Index {
    /// The next revision.
    pub fn step(&mut self) -> u64 {
        self.rev += 1;
        self.rev
    }

    /// What `path` was last known to hold.
    pub fn get(&self, path: &RelPath) -> Option<&Known> {
        self.dirs.get(&path.parent()?)?.names.get(path.name())
    }

    /// Whether anything is known to be at `path` or below it.
    pub fn holds(&self, path: &RelPath) -> bool {
        self.dirs.contains_key(path) || self.get(path).is_some()
    }

    /// A directory that is synced.
    pub fn dir(&self, path: &RelPath) -> Option<&Dir> {
        self.dirs.get(path)
    }

    /// See [`Index::dir`].
    pub fn dir_mut(&mut self, path: &RelPath) -> Option<&mut Dir> {
        self.dirs.get_mut(path)
    }

    /// The names known in a directory, in order.
    pub fn names(&self, path: &RelPath) -> Vec<(Box<[u8]>, Known)> {
        let Some(dir) = self.dirs.get(path) else { return Vec::new() };
        dir.names.iter().map(|(name, known)| (name.clone(), known.clone())).collect()
    }

    /// Remembers what `path` holds. Forgotten at once where its directory is not
    /// known yet: the scan that finds the directory finds this too.
    pub fn insert(&mut self, path: &RelPath, known: Known) {
        let Some(parent) = path.parent() else { return };
        let is_directory = known.is_directory();
        let Some(dir) = self.dirs.get_mut(&parent) else { return };
        dir.names.insert(path.name().into(), known);
        if is_directory {
            self.dirs.entry(path.clone()).or_default();
        }
    }

    /// Notes what an outcome tells of `path`, and keeps silent about no other
    /// path: directories that came to be on the way stand for something that is
    /// there until the worker has looked at them, and what was known below a
    /// directory that is gone stays known until the worker has said that it is
    /// gone too.
    pub fn tell(&mut self, path: &RelPath, known: Option<Known>) {
        let Some(parent) = path.parent() else { return };
        if known.is_some() {
            self.make_dirs(&parent);
        }
        let Some(dir) = self.dirs.get_mut(&parent) else { return };
        match known {
            Some(known) if known.is_directory() => {
                dir.names.insert(path.name().into(), known);
                self.dirs.entry(path.clone()).or_default();
                return;
            }
            Some(known) => dir.names.insert(path.name().into(), known),
            None => dir.names.remove(path.name()),
        };
        if self.dirs.get(path).is_some_and(|dir| dir.names.is_empty()) {
            self.forget_dir(path);
        }
    }

    fn make_dirs(&mut self, path: &RelPath) {
        if self.dirs.contains_key(path) {
            return;
        }
        let Some(parent) = path.parent() else { return };
        self.make_dirs(&parent);
        if let Some(dir) = self.dirs.get_mut(&parent) {
            dir.names.entry(path.name().into()).or_insert_with(Known::unsure);
        }
        self.dirs.insert(path.clone(), Dir::default());
    }

    /// Forgets a directory, but not its name in the one above it.
    fn forget_dir(&mut self, path: &RelPath) -> Option<Dir> {
        let dir = self.dirs.remove(path)?;
        // Only where the watch still is this path's: a moved directory keeps
        // its watch, and the new path may be known already.
        if let Some(watch) = dir.watch
            && self.watches.get(&watch) == Some(path)
        {
            self.watches.remove(&watch);
        }
        Some(dir)
    }

    /// Forgets `path` and everything in it; what is deeper comes first.
    pub fn remove(&mut self, path: &RelPath, removed: &mut Vec<Removed>) {
        if let Some(dir) = self.forget_dir(path) {
            for (name, known) in dir.names {
                let Ok(below) = path.join(&name) else { continue };
                self.remove(&below, removed);
                removed.push(Removed { path: below, known });
            }
        }
        if let Some(parent) = path.parent()
            && let Some(dir) = self.dirs.get_mut(&parent)
            && let Some(known) = dir.names.remove(path.name())
        {
            removed.push(Removed { path: path.clone(), known });
        }
    }

    /// Ties a watch to a directory; the kernel gives the same number to the same
    /// directory, wherever it was moved.
    pub fn tie(&mut self, path: &RelPath, watch: i32) {
        if let Some(old) = self.watches.insert(watch, path.clone())
            && old != *path
            && let Some(dir) = self.dirs.get_mut(&old)
        {
            dir.watch = None;
        }
        if let Some(dir) = self.dirs.get_mut(path) {
            dir.watch = Some(watch);
        }
    }

    /// The directory that a watch is for.
    pub fn watched(&self, watch: i32) -> Option<&RelPath> {
        self.watches.get(&watch)
    }

    /// A watch that the kernel ended.
    pub fn untie(&mut self, watch: i32) {
        if let Some(path) = self.watches.remove(&watch)
            && let Some(dir) = self.dirs.get_mut(&path)
            && dir.watch == Some(watch)
        {
            dir.watch = None;
        }
    }

    /// Directories without a watch.
    pub fn unwatched(&self) -> Vec<RelPath> {
        self.dirs
            .iter()
            .filter(|(_, dir)| dir.watch.is_none())
            .map(|(path, _)| path.clone())
            .collect()
    }
}
