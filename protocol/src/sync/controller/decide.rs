//! What is to become of a path: the merge, and what its directory and the
//! paths below it have to say about that.

use alloc::boxed::Box;
use core::ops::Bound;
use core::time::Duration;

use super::Controller;
use super::lane::{Class, Place, index};
use crate::limits::{INLINE_BODY_MAX, SYNC_URGENT_MAX};
use crate::path::RelPath;
use crate::sync::ancestor::Ancestor;
use crate::sync::entry::{Entry, Side, agree};
use crate::sync::merge::{Verdict, merge};

impl Controller {
    /// Decides about a dirty lane and puts it where it belongs.
    pub(super) fn decide(&mut self, path: &RelPath, now: Duration) {
        let Some(active) = self.lanes.get_mut(path).and_then(|lane| lane.active.as_mut()) else {
            return;
        };
        if active.place != Place::Dirty {
            return;
        }
        active.place = Place::Idle;
        if active.not_before().is_some_and(|at| at > now) {
            return;
        }
        match self.wanted(path) {
            None => {}
            Some(Verdict::Agreed) => self.agreed(path),
            Some(Verdict::Leave) => self.clear_problem(path),
            Some(Verdict::Conflict) => self.conflict(path),
            Some(Verdict::Carry { to, new }) => self.carry(path, to, new, now),
        }
    }

    /// The verdict about a path; none while something about it is unknown.
    pub(super) fn wanted(&self, path: &RelPath) -> Option<Verdict> {
        let lane = self.lanes.get(path)?;
        let blind = |side| !lane.known(side) || self.is_unsyncable(side, path);
        if blind(Side::Alpha) || blind(Side::Beta) {
            return None;
        }
        let (alpha, beta) = (lane.state(Side::Alpha), lane.state(Side::Beta));
        let force = lane.active.as_ref().and_then(|active| active.force);
        let verdict = match force {
            Some(keep) if !agree(alpha.as_ref(), beta.as_ref()) => {
                Verdict::Carry { to: keep.other(), new: lane.state(keep) }
            }
            _ => merge(
                self.how,
                self.acquaintance,
                lane.ancestor.as_ref(),
                alpha.as_ref(),
                beta.as_ref(),
            ),
        };
        let Verdict::Carry { to, new } = verdict else { return Some(verdict) };
        let from = to.other();
        if !lane.is_directory(to)
            || matches!(new, Some(Entry::Directory { .. }))
            || !self.is_waited_for(path, from)
        {
            return Some(Verdict::Carry { to, new });
        }
        // Something below it lives on `to` and needs a directory on `from`.
        if new.is_none() {
            return Some(Verdict::Carry { to: from, new: lane.state(to) });
        }
        Some(if force.is_some() { Verdict::Carry { to, new } } else { Verdict::Conflict })
    }

    fn is_waited_for(&self, path: &RelPath, side: Side) -> bool {
        self.waiters.get(path).is_some_and(|waiters| {
            waiters.iter().any(|waiter| {
                self.lanes.get(waiter).is_some_and(|lane| lane.place() == Place::AwaitParent(side))
            })
        })
    }

    fn agreed(&mut self, path: &RelPath) {
        let Some(lane) = self.lanes.get(path) else { return };
        let (alpha, beta) = (lane.state(Side::Alpha), lane.state(Side::Beta));
        let holds = |ancestor: &Ancestor| {
            ancestor.holds_on(Side::Alpha, alpha.as_ref())
                && ancestor.holds_on(Side::Beta, beta.as_ref())
        };
        if !lane.ancestor.as_ref().is_some_and(holds) {
            self.set_ancestor(path, alpha.map(Ancestor::same));
        }
        self.clear_problem(path);
        self.set_body(path, None);
        if let Some(lane) = self.lanes.get_mut(path) {
            lane.rest();
            if lane.ancestor.is_none() {
                self.gone.push(path.clone());
            }
        }
    }

    pub(super) fn clear_problem(&mut self, path: &RelPath) {
        self.problems.remove(path);
        if let Some(active) = self.lanes.get_mut(path).and_then(|lane| lane.active.as_mut()) {
            active.retry = None;
        }
    }

    fn conflict(&mut self, path: &RelPath) {
        self.clear_problem(path);
        self.set_body(path, None);
        self.put(path, Place::Conflict);
        self.conflicts.insert(path.clone());
    }

    fn carry(&mut self, path: &RelPath, to: Side, new: Option<Entry>, now: Duration) {
        let Some(lane) = self.lanes.get(path) else { return };
        let released = lane.active.as_ref().is_some_and(|active| active.released);
        if new.is_none() && !released {
            self.put(path, Place::Held(to));
            self.held[index(to)].insert(path.clone());
            let held = self.held[index(to)].len() as u64;
            self.brakes[index(to)].hold(now, held);
            return;
        }
        let empties = lane.is_directory(to) && !matches!(new, Some(Entry::Directory { .. }));
        if empties && self.has_anything_below(path, to) {
            self.clear_problem(path);
            self.put(path, Place::AwaitChildren);
            return;
        }
        if new.is_some() && !self.parent_is_ready(path, to) {
            self.await_parent(path, to);
            return;
        }
        let base = lane.state(to);
        let bytes = body_len(base.as_ref(), new.as_ref());
        let urgent = lane.active.as_ref().is_some_and(|active| active.urgent);
        let class = if bytes > INLINE_BODY_MAX as u64 {
            Class::Large
        } else if urgent && self.queues[index(to)].waiting(Class::Edit) < SYNC_URGENT_MAX {
            Class::Edit
        } else {
            Class::Bulk
        };
        self.put(path, Place::Queued(to, class));
        self.queues[index(to)].wait(class, path.clone(), bytes);
    }

    fn has_anything_below(&self, path: &RelPath, side: Side) -> bool {
        self.lanes
            .range((Bound::Excluded(path.clone()), Bound::Unbounded))
            .take_while(|(below, _)| below.is_within(path))
            .any(|(_, lane)| lane.present(side))
    }

    /// Whether something may be made at `path` on `to`: its directory is there,
    /// or is on its way and so is made with it.
    fn parent_is_ready(&self, path: &RelPath, to: Side) -> bool {
        let Some(parent) = path.parent().filter(|parent| !parent.is_root()) else { return true };
        let Some(lane) = self.lanes.get(&parent) else { return true };
        if !lane.known(to) {
            return false;
        }
        match lane.state(to) {
            Some(Entry::Directory { .. }) => true,
            Some(_) => false,
            None => {
                matches!(lane.place(), Place::Flying(side, _) | Place::Queued(side, _) if side == to)
                    && lane.is_directory(to.other())
            }
        }
    }

    fn await_parent(&mut self, path: &RelPath, to: Side) {
        let Some(parent) = path.parent() else { return };
        self.clear_problem(path);
        self.put(path, Place::AwaitParent(to));
        self.waiters.entry(parent.clone()).or_default().insert(path.clone());
        // It may have been about to go, or rest on a side that lacks it.
        self.touch(&parent);
    }

    pub(super) fn put(&mut self, path: &RelPath, place: Place) {
        if let Some(active) = self.lanes.get_mut(path).and_then(|lane| lane.active.as_mut()) {
            active.place = place;
        }
    }

    /// Keeps or drops the content that came along with an observation.
    pub(super) fn set_body(&mut self, path: &RelPath, body: Option<(Side, alloc::vec::Vec<u8>)>) {
        let Some(active) = self.lanes.get_mut(path).and_then(|lane| lane.active.as_mut()) else {
            return;
        };
        self.bodies += body.as_ref().map_or(0, |(_, body)| body.len());
        let old = core::mem::replace(&mut active.body, body.map(Box::new));
        self.bodies = self.bodies.saturating_sub(old.map_or(0, |old| old.1.len()));
    }
}

/// Bytes that must travel to turn `base` into `new`.
pub(super) fn body_len(base: Option<&Entry>, new: Option<&Entry>) -> u64 {
    match (base, new) {
        (Some(Entry::File { digest, .. }), Some(Entry::File { digest: new_digest, .. }))
            if digest == new_digest =>
        {
            0
        }
        (_, Some(Entry::File { size, .. })) => *size,
        _ => 0,
    }
}

/// Whether content must travel at all; an empty file's is there but empty.
pub(super) fn needs_body(base: Option<&Entry>, new: Option<&Entry>) -> bool {
    match (base, new) {
        (Some(Entry::File { digest, .. }), Some(Entry::File { digest: new_digest, .. })) => {
            digest != new_digest
        }
        (_, Some(Entry::File { .. })) => true,
        _ => false,
    }
}
