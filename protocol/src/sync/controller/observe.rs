//! What replicas say: observations, outcomes, openings and losses.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::lane::{Lane, Place, index};
use super::{Controller, Effect, Report, Unsyncable};
use crate::error::WireError;
use crate::limits::{SYNC_BODIES_HELD_MAX, SYNC_RETRY_MAX, SYNC_RETRY_MIN};
use crate::path::RelPath;
use crate::sync::ancestor::{Ancestor, same_content};
use crate::sync::entry::{BEING_WRITTEN, Entry, IGNORED, Observation, Outcome, Side, agree};
use crate::sync::merge::Acquaintance;

impl Controller {
    /// A replica was opened, or opened again: what was believed of that side is
    /// void until it has scanned, and edits on their way there have no outcome.
    pub fn opened(&mut self, side: Side) {
        self.closed(side);
        let state = &mut self.sides[index(side)];
        state.open = true;
        state.lost = None;
        state.degraded = None;
    }

    /// A replica cannot be reached any more.
    pub fn closed(&mut self, side: Side) {
        let old = core::mem::take(&mut self.sides[index(side)]);
        self.sides[index(side)].replica = old.replica;
        self.sides[index(side)].lost = old.lost;
        self.dirty.clear();
        self.waiters.clear();
        self.conflicts.clear();
        for to in [Side::Alpha, Side::Beta] {
            self.held[index(to)].clear();
            self.brakes[index(to)].clear();
            self.queues[index(to)].clear_waiting();
        }
        self.queues[index(side)].clear_flying();
        let mut active = Vec::new();
        for (path, lane) in &mut self.lanes {
            lane.forget(side);
            if let Some(lane) = &mut lane.active {
                if matches!(lane.place, Place::Flying(to, _) if to != side) {
                    if let Some(flight) = &mut lane.flight {
                        flight.orphan = true;
                    }
                    continue;
                }
                lane.flight = None;
                lane.place = Place::Idle;
                active.push(path.clone());
            }
        }
        for path in active {
            self.touch(&path);
        }
    }

    /// A replica observed something. Observations of one side come in order.
    pub fn observe(&mut self, side: Side, observation: Observation, now: Duration) {
        if !self.sides[index(side)].open || self.sides[index(side)].lost.is_some() {
            return;
        }
        match observation {
            Observation::ScanStarted { replica } => self.scan_started(side, replica),
            Observation::Seen { rev, path, state, body } => {
                let this = &mut self.sides[index(side)];
                this.observed_rev = this.observed_rev.max(rev);
                this.seen_in_scan += u64::from(this.scanning && state.is_some());
                self.seen(side, &path, rev, state, body, now);
            }
            Observation::ScanDone { rev } => self.scan_done(side, rev, now),
            Observation::Problem { path, problem } => {
                let unsyncable = &mut self.sides[index(side)].unsyncable;
                match problem {
                    Some(problem) => {
                        let reason = match problem.as_str() {
                            IGNORED => Unsyncable::Ignored,
                            BEING_WRITTEN => Unsyncable::BeingWritten,
                            _ => Unsyncable::Problem(problem.into_boxed_str()),
                        };
                        unsyncable.insert(path.clone(), reason);
                    }
                    None => {
                        unsyncable.remove(&path);
                    }
                }
                if let Some(lane) = self.lanes.get_mut(&path) {
                    lane.wake();
                    self.touch(&path);
                }
            }
            Observation::RootLost { reason } => {
                self.closed(side);
                self.sides[index(side)].lost = Some(reason);
            }
            Observation::Degraded { reason } => self.sides[index(side)].degraded = reason,
        }
    }

    fn scan_started(&mut self, side: Side, replica: [u8; 16]) {
        match self.sides[index(side)].replica {
            Some(known) if known == replica => {}
            Some(_) => self.void(side, replica),
            None => {
                self.sides[index(side)].replica = Some(replica);
                let bound = self.bound();
                self.effects.push_back(Effect::Record(bound));
            }
        }
        let this = &mut self.sides[index(side)];
        this.scanning = true;
        this.seen_in_scan = 0;
        this.scan_mark = this.observed_rev;
        this.scan = this.scan.wrapping_add(1).max(1);
    }

    /// Another tree stands where the ancestor was agreed: it says nothing any
    /// more, least of all that something was deleted.
    fn void(&mut self, side: Side, replica: [u8; 16]) {
        self.closed(side);
        let this = &mut self.sides[index(side)];
        this.open = true;
        this.replica = Some(replica);
        self.acquaintance = Acquaintance::Meeting;
        self.totals.agreed = 0;
        self.totals.files = 0;
        self.totals.bytes = 0;
        for lane in self.lanes.values_mut() {
            lane.wake();
            lane.ancestor = None;
        }
        let bound = self.bound();
        self.effects.push_back(Effect::Void(bound));
    }

    fn seen(
        &mut self,
        side: Side,
        path: &RelPath,
        rev: u64,
        state: Option<Entry>,
        body: Option<Vec<u8>>,
        now: Duration,
    ) {
        if path.is_root() {
            return; // the root's own mode is the user's on either side
        }
        if !self.lanes.contains_key(path) {
            if state.is_none() {
                return;
            }
            self.make_lane(side.other(), path);
        }
        let scan = self.sides[index(side)].scan;
        let Some(lane) = self.lanes.get_mut(path) else { return };
        lane.scan[index(side)] = scan;
        if lane.known(side) && rev <= lane.rev(side) {
            return; // an outcome told something newer
        }
        if !self.believe(side, path, rev, state) {
            return;
        }
        let urgent = body.is_some() || !self.sides[index(side)].scanning;
        let room = SYNC_BODIES_HELD_MAX.saturating_sub(self.bodies);
        self.set_body(path, body.filter(|body| body.len() <= room).map(|body| (side, body)));
        if let Some(active) = self.lanes.get_mut(path).and_then(|lane| lane.active.as_mut()) {
            active.urgent = urgent;
            active.since.get_or_insert(now);
            active.hurry();
            active.released = false;
            active.force = None;
        }
        self.touch(path);
        self.wake_around(path);
    }

    /// A lane for a path that only one side has shown: the other one is known
    /// not to have it if it was scanned.
    fn make_lane(&mut self, other: Side, path: &RelPath) {
        let mut lane = Lane::default();
        let that = &self.sides[index(other)];
        if that.scanned && !self.is_unsyncable(other, path) {
            lane.believe(other, 1, None);
        }
        self.lanes.insert(path.clone(), Box::new(lane));
    }

    /// Whether that side cannot say what is at `path`.
    pub(super) fn is_unsyncable(&self, side: Side, path: &RelPath) -> bool {
        let unsyncable = &self.sides[index(side)].unsyncable;
        if unsyncable.is_empty() {
            return false;
        }
        core::iter::successors(Some(path.clone()), RelPath::parent)
            .any(|path| unsyncable.contains_key(&path))
    }

    fn scan_done(&mut self, side: Side, rev: u64, now: Duration) {
        let this = &mut self.sides[index(side)];
        this.observed_rev = this.observed_rev.max(rev);
        this.scanning = false;
        this.scanned = true;
        let (mark, scan) = (this.scan_mark, this.scan);
        let mut doubtful = false;
        let mut missing = Vec::new();
        for (path, lane) in &mut self.lanes {
            if lane.scan[index(side)] == scan {
                continue;
            }
            // An edit whose outcome comes out of step with the observations may
            // have made the path behind the scan's back, or before the scan.
            if matches!(lane.place(), Place::Flying(to, _) if to == side) {
                if let Some(flight) = lane.active.as_mut().and_then(|lane| lane.flight.as_mut()) {
                    flight.missed = Some((mark, rev));
                }
            } else if lane.rev(side) > mark {
                doubtful = true; // only another scan can tell
            } else {
                missing.push(path.clone());
            }
        }
        for path in missing {
            if self.is_unsyncable(side, &path) || !self.believe(side, &path, rev, None) {
                continue;
            }
            if let Some(active) = self.lanes.get_mut(&path).and_then(|lane| lane.active.as_mut()) {
                active.since.get_or_insert(now);
                active.hurry();
            }
            self.touch(&path);
            self.wake_around(&path);
        }
        self.sides[index(side)].doubted |= doubtful;
        self.sweep_gone();
    }

    /// An edit towards `to` came to an end.
    pub fn report(&mut self, to: Side, path: &RelPath, report: Report, now: Duration) {
        let Some(lane) = self.lanes.get_mut(path) else { return };
        let Some(active) = &mut lane.active else { return };
        let Place::Flying(side, class) = active.place else { return };
        if side != to {
            return;
        }
        let Some(flight) = active.flight.take() else { return };
        active.place = Place::Idle;
        self.queues[index(to)].landed(class, &flight);
        let missed = flight.missed;
        let told = match &report {
            Report::Outcome(Outcome::Applied { rev, .. } | Outcome::Stale { rev, .. }) => *rev,
            _ => 0,
        };
        match report {
            Report::Outcome(Outcome::Applied { rev, state }) => {
                self.applied(to, path, *flight, rev, state, now);
            }
            Report::Outcome(Outcome::Stale { rev, state }) => {
                let fresh = lane_is_older(self.lanes.get(path).map(Box::as_ref), to, rev);
                if fresh && agree(state.as_ref(), flight.base.as_ref()) {
                    self.failed(path, None, now); // it says what we believed; do not spin on it
                } else if fresh {
                    self.believe(to, path, rev, state);
                }
            }
            Report::Outcome(Outcome::Failed(error)) | Report::SourceFailed(error) => {
                self.failed(path, Some(error), now);
            }
            Report::SourceChanged => self.failed(path, None, now),
            Report::Unreachable => self.failed(path, None, now),
        }
        match missed {
            // The scan began after that.
            Some((mark, done)) if told <= mark => {
                let older = lane_is_older(self.lanes.get(path).map(Box::as_ref), to, done);
                let _ = older && self.believe(to, path, done, None);
            }
            Some(_) => self.sides[index(to)].doubted = true,
            None => {}
        }
        self.touch(path);
        self.wake_around(path);
    }

    fn applied(
        &mut self,
        to: Side,
        path: &RelPath,
        flight: super::lane::Flight,
        rev: u64,
        state: Option<Entry>,
        now: Duration,
    ) {
        let whole = agree(flight.new.as_ref(), flight.source.as_ref());
        let ancestor = match (flight.source, &state) {
            (Some(source), Some(state)) if whole && same_content(&source, state) => match to {
                Side::Beta => Ancestor::pair(source, state),
                Side::Alpha => Ancestor::pair(state.clone(), &source),
            },
            (source, _) => source.map(Ancestor::same),
        };
        // Before the belief: a newer observation is judged against it.
        if !flight.orphan {
            self.set_ancestor(path, ancestor);
        }
        if lane_is_older(self.lanes.get(path).map(Box::as_ref), to, rev) {
            self.believe(to, path, rev, state);
        }
        let Some(active) = self.lanes.get_mut(path).and_then(|lane| lane.active.as_mut()) else {
            return;
        };
        active.retry = None;
        active.force = None;
        active.released = false;
        self.problems.remove(path);
        self.totals.applied[index(to)] += 1;
        let latency = now.saturating_sub(active.since.take().unwrap_or(now));
        if to == Side::Beta {
            self.note_visible(path);
        }
        self.effects.push_back(Effect::Visible { path: path.clone(), to, latency });
    }

    /// Tries again later; with an error, tells the user.
    fn failed(&mut self, path: &RelPath, error: Option<WireError>, now: Duration) {
        let Some(active) = self.lanes.get_mut(path).and_then(|lane| lane.active.as_mut()) else {
            return;
        };
        let retry = active.retry.get_or_insert_default();
        let wait = SYNC_RETRY_MIN.saturating_mul(1 << retry.attempts.min(16)).min(SYNC_RETRY_MAX);
        retry.attempts = retry.attempts.saturating_add(1);
        retry.not_before = Some(now + wait);
        if let Some(error) = error {
            retry.problem = Some(error.message);
            self.problems.insert(path.clone());
        }
        self.retries.insert((now + wait, path.clone()));
    }

    /// Drops lanes that no late observation can revive any more.
    pub(super) fn sweep_gone(&mut self) {
        let mut gone = core::mem::take(&mut self.gone);
        gone.retain(|path| {
            let Some(lane) = self.lanes.get(path) else { return false };
            if lane.ancestor.is_some() || lane.active.is_some() {
                return false;
            }
            let late = [Side::Alpha, Side::Beta]
                .iter()
                .any(|side| lane.rev(*side) > self.sides[index(*side)].observed_rev);
            if !late {
                self.lanes.remove(path);
            }
            late
        });
        self.gone = gone;
    }
}

/// Whether what is believed of `side` is older than `rev`.
fn lane_is_older(lane: Option<&Lane>, side: Side, rev: u64) -> bool {
    lane.is_some_and(|lane| lane.rev(side) < rev.max(1) || !lane.known(side))
}
