//! What is known of one path. Knows nothing of other paths.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::sync::ancestor::Ancestor;
use crate::sync::entry::{Entry, Side, agree};

/// One path's state. Most lanes rest: both sides hold the ancestor, and then
/// `active` is none. A hundred thousand of them stay in memory, so what only a
/// busy lane needs lives behind the box.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) ancestor: Option<Ancestor>,
    /// Each side's revision of what is believed of it; 0 while nothing is known.
    rev: [Rev; 2],
    /// The last scan of each side that saw the path.
    pub(super) scan: [u8; 2],
    pub(super) active: Option<Box<Active>>,
}

/// What a lane that does not rest needs.
#[derive(Debug, Default)]
pub(super) struct Active {
    seen: [Option<Box<Entry>>; 2],
    /// The content of `seen` on that side, when it came along.
    pub(super) body: Option<Box<(Side, Vec<u8>)>>,
    pub(super) place: Place,
    pub(super) flight: Option<Box<Flight>>,
    /// When the change was first seen that is not carried yet.
    pub(super) since: Option<Duration>,
    /// A person waits for it: it was just edited, not found by a scan.
    pub(super) urgent: bool,
    /// The brake let this deletion go.
    pub(super) released: bool,
    /// This side wins whatever the merge says: the user's word.
    pub(super) force: Option<Side>,
    pub(super) retry: Option<Box<Retry>>,
}

/// What is known of failed attempts to carry.
#[derive(Debug, Default)]
pub(super) struct Retry {
    pub(super) not_before: Option<Duration>,
    pub(super) attempts: u32,
    /// What the last one failed of, in words.
    pub(super) problem: Option<String>,
}

impl Active {
    /// The next attempt need not wait.
    pub(super) fn hurry(&mut self) {
        if let Some(retry) = &mut self.retry {
            retry.not_before = None;
        }
    }

    /// When the next attempt may be made, if it has to wait.
    pub(super) fn not_before(&self) -> Option<Duration> {
        self.retry.as_ref()?.not_before
    }

    /// What the last attempt failed of.
    pub(super) fn problem(&self) -> Option<&str> {
        self.retry.as_ref()?.problem.as_deref()
    }
}

/// Which of the controller's sets holds the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// None: it rests, waits for an observation, or is in conflict.
    #[default]
    Idle,
    /// To be decided anew.
    Dirty,
    /// A deletion that the brake has not judged yet, towards that side.
    Held(Side),
    /// Waits to be put into a batch towards that side.
    Queued(Side, Class),
    /// Waits for its parent to become a directory on that side.
    AwaitParent(Side),
    /// A directory that must go, but is not empty yet.
    AwaitChildren,
    /// In a conflict.
    Conflict,
    /// Sent to that side.
    Flying(Side, Class),
}

/// How an edit travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Alone or with few, before everything else.
    Edit,
    /// In large batches.
    Bulk,
    /// On a stream of its own.
    Large,
}

/// An edit on its way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) batch: u64,
    /// The source was closed meanwhile: its outcome tells of the target only.
    pub(super) orphan: bool,
    /// A scan that ended meanwhile did not see the path: the revisions before
    /// its begin and at its end.
    pub(super) missed: Option<(u64, u64)>,
    /// What the source held when it was decided.
    pub(super) source: Option<Entry>,
    pub(super) base: Option<Entry>,
    pub(super) new: Option<Entry>,
}

/// A revision in six bytes: enough for a million a second for nine years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rev([u8; 6]);

impl Rev {
    fn new(rev: u64) -> Self {
        let [_, _, rest @ ..] = rev.to_be_bytes();
        Self(rest)
    }

    fn get(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

pub(super) fn index(side: Side) -> usize {
    match side {
        Side::Alpha => 0,
        Side::Beta => 1,
    }
}

impl Lane {
    pub(super) fn resting(ancestor: Ancestor) -> Self {
        Self { ancestor: Some(ancestor), ..Self::default() }
    }

    pub(super) fn known(&self, side: Side) -> bool {
        self.rev[index(side)] != Rev::default()
    }

    pub(super) fn rev(&self, side: Side) -> u64 {
        self.rev[index(side)].get()
    }

    /// What `side` holds, as far as is known.
    pub(super) fn state(&self, side: Side) -> Option<Entry> {
        if !self.known(side) {
            return None;
        }
        match &self.active {
            Some(active) => active.seen[index(side)].as_deref().cloned(),
            None => self.ancestor.as_ref().map(|ancestor| ancestor.on(side).into_owned()),
        }
    }

    pub(super) fn present(&self, side: Side) -> bool {
        self.known(side)
            && match &self.active {
                Some(active) => active.seen[index(side)].is_some(),
                None => self.ancestor.is_some(),
            }
    }

    pub(super) fn is_directory(&self, side: Side) -> bool {
        matches!(self.state(side), Some(Entry::Directory { .. }))
    }

    pub(super) fn place(&self) -> Place {
        self.active.as_ref().map_or(Place::Idle, |active| active.place)
    }

    /// The active part, made from what was resting.
    pub(super) fn wake(&mut self) -> &mut Active {
        if self.active.is_none() {
            let seen = [Side::Alpha, Side::Beta].map(|side| self.state(side).map(Box::new));
            self.active = Some(Box::new(Active { seen, ..Active::default() }));
        }
        self.active.get_or_insert_default()
    }

    /// Believes `state` of `side`; false when that changes nothing.
    pub(super) fn believe(&mut self, side: Side, rev: u64, state: Option<Entry>) -> bool {
        let rev = rev.max(1);
        let knew = self.known(side);
        let before = self.state(side);
        if knew && agree(before.as_ref(), state.as_ref()) {
            self.rev[index(side)] = Rev::new(rev);
            return false;
        }
        if self.active.is_none() {
            let as_agreed = match &self.ancestor {
                Some(ancestor) => ancestor.holds_on(side, state.as_ref()),
                None => state.is_none(),
            };
            if as_agreed {
                self.rev[index(side)] = Rev::new(rev);
                return true;
            }
        }
        self.wake().seen[index(side)] = state.map(Box::new);
        self.rev[index(side)] = Rev::new(rev);
        true
    }

    /// Forgets what was believed of `side`.
    pub(super) fn forget(&mut self, side: Side) {
        self.rev[index(side)] = Rev::default();
        self.scan[index(side)] = 0;
        if let Some(active) = &mut self.active {
            active.seen[index(side)] = None;
        }
    }

    /// Rests, if there is nothing to hold on to.
    pub(super) fn rest(&mut self) {
        self.active = None;
    }
}
