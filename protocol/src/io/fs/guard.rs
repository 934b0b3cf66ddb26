//! Lets a look and an apply at the same path notice each other. An apply holds
//! the path; a look holds nothing, because it may read for long, and learns
//! afterwards whether what it saw can have been changed by an apply meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::path::RelPath;

const SHARDS: usize = 64;

/// All paths of a tree, in shards.
pub struct Guards {
    hasher: RandomState,
    shards: [Shard; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// Odd while an apply is at work.
    version: AtomicU64,
    lock: Mutex<()>,
}

/// An apply at work on a path.
pub struct Held<'a> {
    shard: &'a Shard,
    _lock: MutexGuard<'a, ()>,
}

impl Default for Guards {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Shard::default()) }
    }
}

impl Guards {
    /// Keeps other applies away from `path`.
    pub fn hold(&self, path: &RelPath) -> Held<'_> {
        let shard = self.shard(path);
        let lock = shard.lock.lock().unwrap_or_else(PoisonError::into_inner);
        shard.version.fetch_add(1, Ordering::SeqCst);
        Held { shard, _lock: lock }
    }

    /// Of `path` before a look; waits for an apply at work.
    pub fn version(&self, path: &RelPath) -> u64 {
        let shard = self.shard(path);
        loop {
            let version = shard.version.load(Ordering::SeqCst);
            if version.is_multiple_of(2) {
                return version;
            }
            drop(shard.lock.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Whether no apply was at work on `path` since `version`.
    pub fn is_current(&self, path: &RelPath, version: u64) -> bool {
        self.shard(path).version.load(Ordering::SeqCst) == version
    }

    fn shard(&self, path: &RelPath) -> &Shard {
        let hash = self.hasher.hash_one(path.as_bytes());
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shard.version.fetch_add(1, Ordering::SeqCst);
    }
}
