//! When edits travel: queues, batches, retries and the brakes' judgement.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::decide::{body_len, needs_body};
use super::lane::{Class, Flight, Place, index};
use super::{Carried, Controller, Effect};
use crate::limits::{
    SYNC_BATCH_BYTES_MAX, SYNC_BATCH_OPS_MAX, SYNC_BATCH_PATHS_MAX, SYNC_BULK_FLYING_MAX,
    SYNC_EDIT_FLYING_MAX, SYNC_LARGE_FLYING_MAX,
};
use crate::path::RelPath;
use crate::sync::brake::Burst;
use crate::sync::entry::{Op, Side};
use crate::sync::merge::{Acquaintance, Verdict};

const CLASSES: [Class; 3] = [Class::Edit, Class::Bulk, Class::Large];

/// What waits for one side, and what is on its way there.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Path → bytes that must travel.
    waiting: [BTreeMap<RelPath, u64>; 3],
    waiting_bytes: u64,
    /// Batch → edits without an outcome.
    flying: [BTreeMap<u64, usize>; 3],
    flying_bytes: u64,
    next_batch: u64,
}

impl Queue {
    pub(super) fn wait(&mut self, class: Class, path: RelPath, bytes: u64) {
        self.waiting_bytes += bytes;
        let old = self.waiting[class as usize].insert(path, bytes);
        self.waiting_bytes -= old.unwrap_or(0);
    }

    pub(super) fn remove(&mut self, class: Class, path: &RelPath) {
        self.waiting_bytes -= self.waiting[class as usize].remove(path).unwrap_or(0);
    }

    pub(super) fn waiting(&self, class: Class) -> usize {
        self.waiting[class as usize].len()
    }

    pub(super) fn clear_waiting(&mut self) {
        self.waiting = Default::default();
        self.waiting_bytes = 0;
    }

    pub(super) fn clear_flying(&mut self) {
        self.flying = Default::default();
        self.flying_bytes = 0;
    }

    /// An edit has its outcome.
    pub(super) fn landed(&mut self, class: Class, flight: &Flight) {
        let bytes = body_len(flight.base.as_ref(), flight.new.as_ref());
        self.flying_bytes = self.flying_bytes.saturating_sub(bytes);
        let batches = &mut self.flying[class as usize];
        if let Some(left) = batches.get_mut(&flight.batch) {
            *left -= 1;
            if *left == 0 {
                batches.remove(&flight.batch);
            }
        }
    }

    /// Edits that wait or fly, and their bytes.
    pub(super) fn load(&self) -> (u64, u64) {
        let waiting: usize = self.waiting.iter().map(BTreeMap::len).sum();
        let flying: usize = self.flying.iter().flat_map(BTreeMap::values).sum();
        ((waiting + flying) as u64, self.waiting_bytes + self.flying_bytes)
    }

    fn is_empty(&self) -> bool {
        self.waiting.iter().all(BTreeMap::is_empty) && self.flying.iter().all(BTreeMap::is_empty)
    }

    fn has_room(&self, class: Class) -> bool {
        let most = match class {
            Class::Edit => SYNC_EDIT_FLYING_MAX,
            Class::Bulk => SYNC_BULK_FLYING_MAX,
            Class::Large => SYNC_LARGE_FLYING_MAX,
        };
        self.flying[class as usize].len() < most
    }
}

impl Controller {
    /// The next thing to do; none until the next input or [`Self::deadline`].
    pub fn poll(&mut self, now: Duration) -> Option<Effect> {
        if let Some(effect) = self.effects.pop_front() {
            return Some(effect);
        }
        self.retry(now);
        self.settle(now);
        self.judge(now);
        self.settle(now);
        self.dispatch(now);
        self.settle(now);
        self.arrive();
        self.effects.pop_front()
    }

    /// When to poll again though nothing happened.
    pub fn deadline(&self) -> Option<Duration> {
        let retry = self.retries.first().map(|(at, _)| *at);
        let brakes = [Side::Alpha, Side::Beta].into_iter().filter_map(|to| self.judgement(to));
        brakes.chain(retry).min()
    }

    /// When the deletions held towards `to` are judged.
    fn judgement(&self, to: Side) -> Option<Duration> {
        let source = &self.sides[index(to.other())];
        if self.paused || source.scanning || !source.scanned || self.held[index(to)].is_empty() {
            return None;
        }
        self.brakes[index(to)].due(to)
    }

    fn retry(&mut self, now: Duration) {
        while self.retries.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, path)) = self.retries.pop_first() else { return };
            if let Some(active) = self.lanes.get_mut(&path).and_then(|lane| lane.active.as_mut())
                && active.not_before() == Some(at)
            {
                active.hurry();
                self.touch(&path);
            }
        }
    }

    fn settle(&mut self, now: Duration) {
        while let Some(path) = self.dirty.pop_front() {
            self.decide(&path, now);
        }
    }

    fn judge(&mut self, now: Duration) {
        for to in [Side::Alpha, Side::Beta] {
            if self.held[index(to)].is_empty() {
                self.brakes[index(to)].clear();
            }
            if self.judgement(to).is_none_or(|due| due > now) {
                continue;
            }
            let burst = Burst {
                to,
                held: self.held[index(to)].len() as u64,
                left_at_source: self.sides[index(to.other())].present,
                present: self.sides[index(to)].present,
                agreed: self.totals.agreed,
            };
            if !self.brakes[index(to)].judge(now, burst) {
                continue;
            }
            for path in core::mem::take(&mut self.held[index(to)]) {
                if let Some(active) =
                    self.lanes.get_mut(&path).and_then(|lane| lane.active.as_mut())
                {
                    active.released = true;
                    active.place = Place::Idle;
                }
                self.touch(&path);
            }
        }
    }

    fn dispatch(&mut self, now: Duration) {
        let ready = |side: Side| {
            let side = &self.sides[index(side)];
            side.open && side.lost.is_none()
        };
        if self.paused || !ready(Side::Alpha) || !ready(Side::Beta) {
            return;
        }
        for to in [Side::Beta, Side::Alpha] {
            for class in CLASSES {
                while self.queues[index(to)].has_room(class)
                    && self.queues[index(to)].waiting(class) > 0
                {
                    self.launch(to, class);
                    self.settle(now);
                }
            }
        }
    }

    /// Sends the next batch of `class`.
    fn launch(&mut self, to: Side, class: Class) {
        let queue = &mut self.queues[index(to)];
        let batch = queue.next_batch;
        queue.next_batch += 1;
        let ops_max = if class == Class::Large { 1 } else { SYNC_BATCH_OPS_MAX };
        let mut edits = Vec::new();
        let mut bytes = 0;
        while edits.len() < ops_max {
            let queue = &mut self.queues[index(to)];
            let Some((path, len)) = queue.waiting[class as usize].pop_first() else { break };
            if !edits.is_empty() && bytes + len > SYNC_BATCH_BYTES_MAX {
                queue.waiting[class as usize].insert(path, len);
                break;
            }
            queue.waiting_bytes -= len;
            self.put(&path, Place::Idle);
            let Some(carried) = self.take_off(&path, to, class, batch) else {
                self.touch(&path); // the world moved on: decide again
                continue;
            };
            bytes += len;
            edits.push(carried);
        }
        let queue = &mut self.queues[index(to)];
        if edits.is_empty() {
            return;
        }
        queue.flying[class as usize].insert(batch, edits.len());
        queue.flying_bytes += bytes;
        if class != Class::Large {
            self.effects.push_back(Effect::Apply { to, class, edits });
            return;
        }
        for edit in edits {
            if let Some(source) = edit.fetch {
                self.effects.push_back(Effect::Transfer { to, op: edit.op, source });
            }
        }
    }

    /// Puts one lane into flight; none when it is not to be carried any more.
    fn take_off(&mut self, path: &RelPath, to: Side, class: Class, batch: u64) -> Option<Carried> {
        let Some(Verdict::Carry { to: side, new }) = self.wanted(path) else { return None };
        let lane = self.lanes.get_mut(path)?;
        let base = lane.state(to);
        let large = body_len(base.as_ref(), new.as_ref()) > crate::limits::INLINE_BODY_MAX as u64;
        let released = lane.active.as_ref().is_some_and(|active| active.released);
        if side != to || large != (class == Class::Large) || (new.is_none() && !released) {
            return None;
        }
        let source = lane.state(to.other());
        let active = lane.active.as_mut()?;
        active.place = Place::Flying(to, class);
        let flight = Flight { batch, orphan: false, missed: None, source, base, new };
        let mut carried = Carried {
            op: Op { path: path.clone(), base: flight.base.clone(), new: flight.new.clone() },
            body: None,
            fetch: None,
        };
        let needs_body = needs_body(flight.base.as_ref(), flight.new.as_ref());
        if needs_body {
            carried.fetch.clone_from(&flight.source);
        }
        active.flight = Some(Box::new(flight));
        let body = active.body.take();
        self.bodies = self.bodies.saturating_sub(body.as_ref().map_or(0, |held| held.1.len()));
        if let Some((side, body)) = body.map(|held| *held)
            && side == to.other()
            && needs_body
            && class != Class::Large
        {
            carried.body = Some(body);
        }
        Some(carried)
    }

    /// What follows when nothing is on its way any more.
    fn arrive(&mut self) {
        for side in [Side::Alpha, Side::Beta] {
            let this = &mut self.sides[index(side)];
            // While edits are on their way a scan would only end in new doubts.
            if this.doubted && !this.scanning && self.queues[index(side)].is_empty() {
                this.doubted = false;
                self.effects.push_back(Effect::Rescan(side));
            }
        }
        if self.gone.len() > 256 {
            self.sweep_gone();
        }
        let quiet = |side: Side| {
            let side = &self.sides[index(side)];
            side.scanned && !side.scanning
        };
        if !quiet(Side::Alpha) || !quiet(Side::Beta) || !self.dirty.is_empty() {
            return;
        }
        let empty = |to: Side| self.queues[index(to)].is_empty() && self.held[index(to)].is_empty();
        let (alpha_empty, beta_empty) = (empty(Side::Alpha), empty(Side::Beta));
        if beta_empty && self.batch.1 > 0 {
            let (paths, count) = core::mem::take(&mut self.batch);
            self.effects.push_back(Effect::BatchVisible { paths, count });
        }
        if alpha_empty && beta_empty && self.acquaintance == Acquaintance::Meeting {
            self.acquaintance = Acquaintance::Joined;
            let bound = self.bound();
            self.effects.push_back(Effect::Record(bound));
        }
    }

    pub(super) fn note_visible(&mut self, path: &RelPath) {
        self.batch.1 += 1;
        if self.batch.0.len() < SYNC_BATCH_PATHS_MAX {
            self.batch.0.push(path.clone());
        }
    }
}
