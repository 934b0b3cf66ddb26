//! Decides when a changed path is worth a look. Pure: events and `now` in, due
//! paths out. Knows neither the disk nor what a look finds.
//!
//! ```text
//! closed or renamed into place ──▶ at once
//! gone ──────────────────────────▶ after a moment: an editor that saves by
//!                                  backup-and-write brings it right back
//! still being written ───────────▶ after a quiet time, doubling while writes go
//!                                  on, at the latest SETTLE_MAX after the first
//! ```

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::limits::{SETTLE_GONE, SETTLE_MAX, SETTLE_MIN, SETTLE_PATHS_MAX};
use crate::path::RelPath;

/// What is known about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Complete: closed after writing, or renamed to here.
    Complete,
    /// Perhaps the first of several.
    Partial,
    /// The name is gone.
    Gone,
}

/// More paths wait than are worth remembering: scan everything instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// Paths that wait for their look. `now` only ever grows.
#[derive(Debug, Default)]
pub struct Settle {
    waiting: BTreeMap<RelPath, Waiting>,
    due: BTreeSet<(Duration, RelPath)>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    first: Duration,
    due: Duration,
    delay: Duration,
    complete: bool,
}

impl Settle {
    /// A path changed.
    ///
    /// # Errors
    /// [`TooMany`]; call [`Settle::clear`] and scan.
    pub fn event(&mut self, path: RelPath, change: Change, now: Duration) -> Result<(), TooMany> {
        let old = self.waiting.get(&path).copied();
        if old.is_none() && self.waiting.len() >= SETTLE_PATHS_MAX {
            return Err(TooMany);
        }
        let first = old.map_or(now, |old| old.first);
        let mut next = match change {
            Change::Complete => Waiting { first, due: now, delay: SETTLE_MIN, complete: true },
            Change::Gone => {
                Waiting { first, due: now + SETTLE_GONE, delay: SETTLE_MIN, complete: false }
            }
            Change::Partial => {
                let delay = old.map_or(SETTLE_MIN, |old| (old.delay * 2).min(SETTLE_MAX));
                Waiting { first, due: now + delay, delay, complete: false }
            }
        };
        if let Some(old) = old {
            // A look that is due at once is not put off by what comes after it.
            if old.complete && old.due < next.due {
                next.due = old.due;
                next.complete = true;
            }
            self.due.remove(&(old.due, path.clone()));
        }
        next.due = next.due.min(first + SETTLE_MAX);
        self.due.insert((next.due, path.clone()));
        self.waiting.insert(path, next);
        Ok(())
    }

    /// Takes the paths whose time has come, at most `max` of them.
    pub fn take_due(&mut self, now: Duration, max: usize) -> Vec<RelPath> {
        let mut due = Vec::new();
        while due.len() < max
            && self.due.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, path)) = self.due.pop_first()
        {
            self.waiting.remove(&path);
            due.push(path);
        }
        due
    }

    /// Takes everything, for who wants to know now.
    pub fn take_all(&mut self) -> Vec<RelPath> {
        self.due.clear();
        core::mem::take(&mut self.waiting).into_keys().collect()
    }

    /// When the next path is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn path(name: &str) -> RelPath {
        RelPath::parse(name.as_bytes()).unwrap()
    }

    /// Events as `(at_ms, change)` on one path; when its look is due.
    #[track_caller]
    fn check(events: &[(u64, Change)], due: Duration) {
        let mut settle = Settle::default();
        for (at, change) in events {
            settle.event(path("a"), *change, ms(*at)).unwrap();
        }
        assert_eq!(settle.next_due(), Some(due));
        assert!(
            settle.take_due(due.saturating_sub(Duration::from_nanos(1)), 9).is_empty()
                || due.is_zero()
        );
        assert_eq!(settle.take_due(due, 9), [path("a")]);
        assert_eq!(settle.next_due(), None);
    }

    #[test]
    fn a_change_is_due_when_it_is_likely_complete() {
        use Change::{Complete, Gone, Partial};
        check(&[(0, Complete)], ms(0));
        check(&[(7, Complete)], ms(7));
        check(&[(0, Partial)], SETTLE_MIN);
        check(&[(0, Partial), (1, Partial)], ms(1) + SETTLE_MIN * 2);
        check(&[(0, Partial), (3, Complete)], ms(3));
        check(&[(0, Gone)], SETTLE_GONE);
        check(&[(0, Gone), (2, Partial), (4, Complete)], ms(4));
        check(&[(4, Complete), (5, Partial)], ms(4));
    }

    #[test]
    fn endless_writes_are_looked_at_in_time() {
        let mut settle = Settle::default();
        for at in 0..10_000 {
            settle.event(path("log"), Change::Partial, ms(at)).unwrap();
            let due = settle.next_due().unwrap();
            assert!(due <= SETTLE_MAX, "put off to {due:?}");
        }
    }

    #[test]
    fn too_many_paths_are_said() {
        let mut settle = Settle::default();
        for number in 0..SETTLE_PATHS_MAX {
            settle.event(path(&format!("{number}")), Change::Partial, ms(0)).unwrap();
        }
        assert_eq!(settle.event(path("one-more"), Change::Complete, ms(1)), Err(TooMany));
        assert_eq!(settle.event(path("0"), Change::Complete, ms(1)), Ok(()));
    }

    proptest! {
        #[test]
        fn every_changed_path_comes_out_once(events in proptest::collection::vec((0u8..6, 0u8..3, 0u64..40), 1..200)) {
            let mut settle = Settle::default();
            let mut now = ms(0);
            let mut open = BTreeSet::new();
            for (name, change, wait) in events {
                now += ms(wait);
                for path in settle.take_due(now, usize::MAX) {
                    prop_assert!(open.remove(&path));
                }
                let change = [Change::Complete, Change::Partial, Change::Gone][usize::from(change)];
                let path = path(&format!("{name}"));
                settle.event(path.clone(), change, now).unwrap();
                open.insert(path);
            }
            for path in settle.take_due(now + SETTLE_MAX * 2, usize::MAX) {
                prop_assert!(open.remove(&path));
            }
            prop_assert!(open.is_empty());
        }
    }
}
