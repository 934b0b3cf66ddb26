//! What the threads of one replica share: the root, the store, the index and
//! the guards between looks and applies.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::dir::Root;
use super::guard::Guards;
use super::index::{Index, Known, What};
use super::look::{self, Found};
use super::rules::Rules;
use super::store::{Store, StorePlace};
use crate::path::RelPath;

/// One tree that is open.
pub struct Tree {
    /// Its directory.
    pub root: Root,
    /// What is kept for it.
    pub store: Store,
    /// Where that is.
    pub place: StorePlace,
    /// What is not synced.
    pub rules: Rules,
    /// Between looks and applies.
    pub guards: Guards,
    /// Why nothing can be believed any more.
    pub lost: OnceLock<String>,
    index: Mutex<Index>,
}

impl Tree {
    /// With nothing known yet.
    pub fn new(root: Root, store: Store, place: StorePlace, rules: Rules) -> Self {
        Self {
            root,
            store,
            place,
            rules,
            guards: Guards::default(),
            lost: OnceLock::new(),
            index: Mutex::new(Index::default()),
        }
    }

    /// The index, for a moment: never while the disk is touched.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a path through its directory's handle.
    pub fn look(&self, path: &RelPath, parent: BorrowedFd<'_>, body_max: usize) -> Found {
        let known = self.index().get(path).cloned();
        let mut found = look::look(parent, path.name(), known.as_ref(), body_max);
        if let Found::Held(known, _) = &mut found
            && let What::Symlink(target) = &known.what
            && let Some(why) = look::unportable(path.names().count() - 1, target)
        {
            known.what = What::Odd(why.into());
        }
        found
    }

    /// Remembers what an outcome is going to tell; its revision.
    pub fn record(&self, path: &RelPath, known: Option<Known>) -> u64 {
        let mut index = self.index();
        index.tell(path, known);
        index.step()
    }

    /// The next revision.
    pub fn step(&self) -> u64 {
        self.index().step()
    }
}
