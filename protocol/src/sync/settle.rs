//! Decides when a changed path is worth a look. Pure: events and `now` in, due
//! paths out. Knows neither the disk nor what a look finds.
//!
//! ```text
//! closed or renamed into place ──▶ at once
//! touched (mode, times) ─────────▶ after a moment
//! gone ──────────────────────────▶ after a moment: an editor that saves by
//!                                  backup-and-write brings it right back
//! created or written, not closed ▶ after a quiet time, doubling while writes go
//!                                  on, at the latest SETTLE_MAX after the first
//! ```
//!
//! The last word counts: a file that was closed and is written again waits for
//! the next close.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::limits::{SETTLE_GONE, SETTLE_MAX, SETTLE_PATHS_MAX, SETTLE_TOUCH, SETTLE_WRITE};
use crate::path::RelPath;

/// What is known about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Complete: closed after writing, or renamed to here.
    Complete,
    /// Its content is the same.
    Touched,
    /// Created or written, and whoever did it has it open still.
    Partial,
    /// The name is gone.
    Gone,
}

/// More paths wait than are worth remembering: scan everything instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// A path whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Where to look.
    pub path: RelPath,
    /// It has been put off long enough: take it as it is.
    pub last_call: bool,
}

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
    /// The quiet time of a file that is being written.
    quiet: Option<Duration>,
    last_call: bool,
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
        let (after, quiet) = match (change, old) {
            (Change::Touched, Some(_)) => return Ok(()),
            (Change::Complete, _) => (Duration::ZERO, None),
            (Change::Touched, None) => (SETTLE_TOUCH, None),
            (Change::Gone, _) => (SETTLE_GONE, None),
            (Change::Partial, old) => {
                let quiet = old.and_then(|old| old.quiet).map_or(SETTLE_WRITE, |quiet| quiet * 2);
                (quiet, Some(quiet.min(SETTLE_MAX)))
            }
        };
        let first = old.map_or(now, |old| old.first);
        let latest = first + SETTLE_MAX;
        let due = (now + after).min(latest);
        let next = Waiting { first, due, quiet, last_call: due == latest };
        if let Some(old) = old {
            self.due.remove(&(old.due, path.clone()));
        }
        self.due.insert((next.due, path.clone()));
        self.waiting.insert(path, next);
        Ok(())
    }

    /// Whether `path` waits for its look.
    pub fn is_waiting(&self, path: &RelPath) -> bool {
        self.waiting.contains_key(path)
    }

    /// Takes the paths whose time has come, at most `max` of them.
    pub fn take_due(&mut self, now: Duration, max: usize) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < max
            && self.due.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, path)) = self.due.pop_first()
        {
            let last_call = self.waiting.remove(&path).is_some_and(|waited| waited.last_call);
            due.push(Due { path, last_call });
        }
        due
    }

    /// Makes everything due now, and for good: for who has waited long enough.
    pub fn hurry(&mut self, now: Duration) {
        self.due.clear();
        for (path, waiting) in &mut self.waiting {
            waiting.due = now;
            waiting.last_call = true;
            self.due.insert((waiting.due, path.clone()));
        }
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
        if let Some(before) = due.checked_sub(Duration::from_nanos(1)) {
            assert!(settle.take_due(before, 9).is_empty());
        }
        assert!(settle.is_waiting(&path("a")));
        assert_eq!(settle.take_due(due, 9), [Due { path: path("a"), last_call: false }]);
        assert!(!settle.is_waiting(&path("a")));
        assert_eq!(settle.next_due(), None);
    }

    #[test]
    fn a_change_is_due_when_it_is_likely_complete() {
        use Change::{Complete, Gone, Partial, Touched};
        check(&[(0, Complete)], ms(0));
        check(&[(7, Complete)], ms(7));
        check(&[(7, Touched)], ms(7) + SETTLE_TOUCH);
        check(&[(0, Partial)], SETTLE_WRITE);
        check(&[(0, Partial), (1, Partial)], ms(1) + SETTLE_WRITE * 2);
        check(&[(0, Partial), (3, Touched)], SETTLE_WRITE);
        check(&[(0, Partial), (3, Complete)], ms(3));
        check(&[(0, Partial), (3, Complete), (4, Touched)], ms(3));
        check(&[(0, Gone)], SETTLE_GONE);
        check(&[(0, Gone), (2, Partial), (4, Complete)], ms(4));
        check(&[(4, Complete), (5, Partial)], ms(5) + SETTLE_WRITE);
        check(&[(4, Complete), (5, Gone), (6, Partial), (9, Complete)], ms(9));
    }

    #[test]
    fn who_has_waited_long_enough_gets_everything() {
        let mut settle = Settle::default();
        settle.event(path("a"), Change::Partial, ms(0)).unwrap();
        settle.event(path("b"), Change::Gone, ms(0)).unwrap();
        settle.hurry(ms(1));
        let last = |name| Due { path: path(name), last_call: true };
        assert_eq!(settle.take_due(ms(1), 9), [last("a"), last("b")]);
    }

    #[test]
    fn endless_writes_are_looked_at_in_time() {
        let mut settle = Settle::default();
        for at in 0..10_000 {
            settle.event(path("log"), Change::Partial, ms(at)).unwrap();
            let due = settle.next_due().unwrap();
            assert!(due <= SETTLE_MAX, "put off to {due:?}");
        }
        assert_eq!(settle.take_due(SETTLE_MAX, 9), [Due { path: path("log"), last_call: true }]);
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
        fn every_changed_path_comes_out_once(events in proptest::collection::vec((0u8..6, 0u8..4, 0u64..40), 1..200)) {
            let mut settle = Settle::default();
            let mut now = ms(0);
            let mut open = BTreeSet::new();
            for (name, change, wait) in events {
                now += ms(wait);
                for Due { path, .. } in settle.take_due(now, usize::MAX) {
                    prop_assert!(open.remove(&path));
                }
                let change = [Change::Complete, Change::Touched, Change::Partial, Change::Gone]
                    [usize::from(change)];
                let path = path(&format!("{name}"));
                settle.event(path.clone(), change, now).unwrap();
                open.insert(path);
            }
            for Due { path, .. } in settle.take_due(now + SETTLE_MAX * 2, usize::MAX) {
                prop_assert!(open.remove(&path));
            }
            prop_assert!(open.is_empty());
        }
    }
}
