//! Decides per path. Pure: observations, outcomes and `now` in, effects out.
//!
//! ```text
//!  observe ─▶ lane ─▶ dirty ─▶ decide ─┬─▶ agreed: recorded, the lane rests
//!  outcome ─▶                          ├─▶ held ──brake──▶ dirty   (deletions)
//!                                      ├─▶ waits for parent or children
//!                                      ├─▶ conflict
//!                                      └─▶ queued ─▶ flying ──outcome──▶ dirty
//! ```
//!
//! A path has at most one edit in flight. Work per edit does not grow with the
//! tree; a scan costs one walk over the lanes. Time is a [`Duration`] since any
//! fixed start. Whoever drives it calls [`Controller::poll`] after every input
//! until it gives none, and again when [`Controller::deadline`] has come.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::ancestor::Ancestor;
use super::archive::Record;
use super::brake::Brake;
use super::entry::{Entry, Op, Side};
use super::merge::Acquaintance;
use super::mode::Mode;
use crate::path::RelPath;

mod decide;
mod lane;
mod observe;
mod report;
mod schedule;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

pub use lane::Class;
pub use report::{ConflictView, Phase, Summary};

use lane::{Lane, Place, index};
use schedule::Queue;

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Apply a batch and report an outcome for each of its edits. Bodies that
    /// are wanted and missing are fetched from the other side first.
    Apply {
        /// The side to change.
        to: Side,
        /// How it travels; [`Class::Large`] never comes here.
        class: Class,
        /// At most [`BATCH_OPS_MAX`](crate::limits::SYNC_BATCH_OPS_MAX) edits.
        edits: Vec<Carried>,
    },
    /// Carry one large file by delta and report its outcome.
    Transfer {
        /// The side to change.
        to: Side,
        /// The edit.
        op: Op,
        /// What the other side holds, to read it by.
        source: Entry,
    },
    /// Remember this for the next start, after it happened.
    Record(Record),
    /// The ancestor is void: forget what is on disk, then remember these.
    Void(Record),
    /// Scan that side again: the last scan left a doubt.
    Rescan(Side),
    /// An edit is visible on `to`.
    Visible {
        /// Where.
        path: RelPath,
        /// The side that was changed.
        to: Side,
        /// Since its first observation.
        latency: Duration,
    },
    /// Everything that was on its way to beta is visible there.
    BatchVisible {
        /// The first of the paths.
        paths: Vec<RelPath>,
        /// How many there were.
        count: u64,
    },
}

/// One edit of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// What to apply.
    pub op: Op,
    /// Its content, if it came along with the observation.
    pub body: Option<Vec<u8>>,
    /// What to fetch from the other side when the body is needed but missing.
    pub fetch: Option<Entry>,
}

/// What became of a carried edit, beyond a replica's own
/// [`Outcome`](super::entry::Outcome).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The replica answered.
    Outcome(super::entry::Outcome),
    /// The source held something else by then; an observation follows.
    SourceChanged,
    /// The source could not be read.
    SourceFailed(crate::error::WireError),
    /// A replica could not be reached.
    Unreachable,
}

/// Who wins a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Carry the held deletions out.
    Delete,
    /// Put the files back from the side that has them.
    Restore,
}

/// One side as a whole.
#[derive(Debug, Default)]
struct SideState {
    replica: Option<[u8; 16]>,
    open: bool,
    scanned: bool,
    scanning: bool,
    /// Revisions up to here were observed before the scan began.
    scan_mark: u64,
    /// Numbers the scans; lanes remember the last one that saw them.
    scan: u8,
    observed_rev: u64,
    seen_in_scan: u64,
    /// Another scan is wanted once nothing is on its way there.
    doubted: bool,
    present: u64,
    lost: Option<String>,
    degraded: Option<String>,
    /// What that side cannot say anything about.
    unsyncable: BTreeMap<RelPath, Unsyncable>,
}

/// Why a side cannot say anything about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unsyncable {
    /// An ignore rule names it.
    Ignored,
    /// Its writer has not closed it yet.
    BeingWritten,
    /// For people.
    Problem(Box<str>),
}

/// One sync's decisions.
#[derive(Debug)]
pub struct Controller {
    how: Mode,
    acquaintance: Acquaintance,
    /// Boxed: half of a tree node is air, and a lane is large.
    lanes: BTreeMap<RelPath, Box<Lane>>,
    sides: [SideState; 2],
    paused: bool,
    dirty: VecDeque<RelPath>,
    held: [BTreeSet<RelPath>; 2],
    brakes: [Brake; 2],
    queues: [Queue; 2],
    /// Directory → the paths that wait for it.
    waiters: BTreeMap<RelPath, BTreeSet<RelPath>>,
    retries: BTreeSet<(Duration, RelPath)>,
    conflicts: BTreeSet<RelPath>,
    problems: BTreeSet<RelPath>,
    /// Lanes absent on both sides that late observations could still revive.
    gone: Vec<RelPath>,
    /// Bytes of content that lanes hold on to.
    bodies: usize,
    effects: VecDeque<Effect>,
    totals: Totals,
    batch: (Vec<RelPath>, u64),
}

#[derive(Debug, Default)]
struct Totals {
    agreed: u64,
    files: u64,
    bytes: u64,
    applied: [u64; 2],
}

impl Controller {
    /// A controller that knows what `records` say of the last run.
    pub fn new(how: Mode, records: impl IntoIterator<Item = Record>) -> Self {
        let mut controller = Self {
            how,
            acquaintance: Acquaintance::Meeting,
            lanes: BTreeMap::new(),
            sides: [SideState::default(), SideState::default()],
            paused: false,
            dirty: VecDeque::new(),
            held: [BTreeSet::new(), BTreeSet::new()],
            brakes: [Brake::default(), Brake::default()],
            queues: [Queue::default(), Queue::default()],
            waiters: BTreeMap::new(),
            retries: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            problems: BTreeSet::new(),
            gone: Vec::new(),
            bodies: 0,
            effects: VecDeque::new(),
            totals: Totals::default(),
            batch: (Vec::new(), 0),
        };
        for record in records {
            controller.load(record);
        }
        controller
    }

    /// Remembers what the last run recorded; before anything is opened.
    pub fn load(&mut self, record: Record) {
        match record {
            Record::Bound { alpha, beta, joined } => {
                // Whatever was agreed with another replica is void, also when a
                // crash kept its records from being removed.
                let other = |old: Option<[u8; 16]>, new| old.is_some() && old != new;
                if other(self.sides[0].replica, alpha) || other(self.sides[1].replica, beta) {
                    self.lanes.clear();
                    self.totals = Totals::default();
                }
                self.sides[0].replica = alpha;
                self.sides[1].replica = beta;
                self.acquaintance =
                    if joined { Acquaintance::Joined } else { Acquaintance::Meeting };
            }
            Record::Agreed { path, ancestor } if !path.is_root() => {
                self.count_ancestor(&path, Some(&ancestor));
                self.lanes.insert(path, Box::new(Lane::resting(ancestor)));
            }
            Record::Agreed { .. } => {}
            Record::Gone { path } => {
                self.count_ancestor(&path, None);
                self.lanes.remove(&path);
            }
        }
    }

    /// Everything to remember, for a fresh archive.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        core::iter::once(self.bound()).chain(self.lanes.iter().filter_map(|(path, lane)| {
            let ancestor = lane.ancestor.clone()?;
            Some(Record::Agreed { path: path.clone(), ancestor })
        }))
    }

    fn bound(&self) -> Record {
        Record::Bound {
            alpha: self.sides[0].replica,
            beta: self.sides[1].replica,
            joined: self.acquaintance == Acquaintance::Joined,
        }
    }

    /// Stops carrying anything.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on after a pause; brakes stay.
    pub fn unpause(&mut self) {
        self.paused = false;
    }

    /// Goes on after a brake, by the user's word. False when none is engaged.
    pub fn resume(&mut self, how: Resume) -> bool {
        let mut any = false;
        for to in [Side::Alpha, Side::Beta] {
            if self.brakes[index(to)].engaged().is_none() {
                continue;
            }
            any = true;
            self.brakes[index(to)].release();
            for path in core::mem::take(&mut self.held[index(to)]) {
                if how == Resume::Restore {
                    self.set_ancestor(&path, None);
                }
                let Some(lane) = self.lanes.get_mut(&path) else { continue };
                let active = lane.wake();
                active.released = how == Resume::Delete;
                active.place = Place::Idle;
                self.touch(&path);
            }
        }
        any
    }

    /// Ends the conflict at `path` in favour of `keep`, with everything below
    /// it. False when there is none.
    pub fn resolve(&mut self, path: &RelPath, keep: Side) -> bool {
        if !self.conflicts.contains(path) {
            return false;
        }
        let within: Vec<_> = self
            .lanes
            .range(path.clone()..)
            .take_while(|(below, _)| below.is_within(path))
            .map(|(below, _)| below.clone())
            .collect();
        for below in within {
            let Some(lane) = self.lanes.get_mut(&below) else { continue };
            if below != *path && lane.active.is_none() {
                let held = lane.state(keep).is_some() == lane.state(keep.other()).is_some();
                if held {
                    continue;
                }
            }
            let active = lane.wake();
            active.force = Some(keep);
            active.released = true;
            active.hurry();
            self.touch(&below);
        }
        true
    }

    /// Puts a lane up for a new decision.
    fn touch(&mut self, path: &RelPath) {
        let Some(lane) = self.lanes.get_mut(path) else { return };
        let Some(active) = &mut lane.active else { return };
        match active.place {
            Place::Dirty | Place::Flying(..) => return,
            Place::Held(to) => {
                self.held[index(to)].remove(path);
            }
            Place::Queued(to, class) => self.queues[index(to)].remove(class, path),
            Place::AwaitParent(_) => {
                if let Some(parent) = path.parent()
                    && let Some(waiters) = self.waiters.get_mut(&parent)
                {
                    waiters.remove(path);
                    if waiters.is_empty() {
                        self.waiters.remove(&parent);
                    }
                }
            }
            Place::Conflict => {
                self.conflicts.remove(path);
            }
            Place::Idle | Place::AwaitChildren => {}
        }
        active.place = Place::Dirty;
        self.dirty.push_back(path.clone());
    }

    /// Everything that waits for `path`, or that `path` waits for, may go on.
    fn wake_around(&mut self, path: &RelPath) {
        if let Some(waiters) = self.waiters.get(path) {
            for waiter in waiters.clone() {
                self.touch(&waiter);
            }
        }
        // All of them: a directory may wait for what is several levels below.
        let mut above = path.parent();
        while let Some(parent) = above {
            above = parent.parent();
            let waits = self
                .lanes
                .get(&parent)
                .is_some_and(|lane| matches!(lane.place(), Place::AwaitChildren | Place::Conflict));
            if waits {
                self.touch(&parent);
            }
        }
    }

    /// Sets a path's ancestor, counts it and has it recorded.
    fn set_ancestor(&mut self, path: &RelPath, ancestor: Option<Ancestor>) {
        if self.lanes.get(path).is_none_or(|lane| lane.ancestor == ancestor) {
            return;
        }
        self.count_ancestor(path, ancestor.as_ref());
        let record = match &ancestor {
            Some(ancestor) => Record::Agreed { path: path.clone(), ancestor: ancestor.clone() },
            None => Record::Gone { path: path.clone() },
        };
        if let Some(lane) = self.lanes.get_mut(path) {
            // A lane at rest derives what it sees from the ancestor.
            lane.wake();
            lane.ancestor = ancestor;
        }
        self.effects.push_back(Effect::Record(record));
    }

    fn count_ancestor(&mut self, path: &RelPath, new: Option<&Ancestor>) {
        let size = |ancestor: &Ancestor| match ancestor.entry() {
            Entry::File { size, .. } => Some(*size),
            _ => None,
        };
        if let Some(old) = self.lanes.get(path).and_then(|lane| lane.ancestor.as_ref()) {
            self.totals.agreed -= 1;
            if let Some(size) = size(old) {
                self.totals.files -= 1;
                self.totals.bytes = self.totals.bytes.saturating_sub(size);
            }
        }
        if let Some(new) = new {
            self.totals.agreed += 1;
            if let Some(size) = size(new) {
                self.totals.files += 1;
                self.totals.bytes = self.totals.bytes.saturating_add(size);
            }
        }
    }

    /// Changes what is believed of a side, and counts it.
    fn believe(&mut self, side: Side, path: &RelPath, rev: u64, state: Option<Entry>) -> bool {
        let Some(lane) = self.lanes.get_mut(path) else { return false };
        let before = lane.present(side);
        let changed = lane.believe(side, rev, state);
        let present = &mut self.sides[index(side)].present;
        match (before, lane.present(side)) {
            (false, true) => *present += 1,
            (true, false) => *present = present.saturating_sub(1),
            _ => {}
        }
        changed
    }
}
