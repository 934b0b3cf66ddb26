//! What leaves a sync beside edits: answers to waiting faces, the status, the
//! ancestor on its way to the disk.

use std::time::{Duration, Instant};

use protocol::path::RelPath;
use protocol::sync::controller::Phase;
use protocol::sync::entry::Side;

use super::{Actor, Barrier, status};
use crate::sync::{Direction, RecentEdit, SyncError};

/// How far the disk may lag behind.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How often faces hear of counts; a new phase they hear of at once.
const STATUS_EVERY: Duration = Duration::from_millis(50);
const RECENT_MAX: usize = 10;

impl Actor {
    pub(super) fn visible(&mut self, path: &RelPath, to: Side, latency: Duration) {
        let direction = match to {
            Side::Beta => Direction::ToTarget,
            Side::Alpha => Direction::FromTarget,
        };
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push_front(RecentEdit { path: path.to_string(), direction, latency_us });
    }

    pub(super) fn answer_waiters(&mut self) {
        let blocked = match self.controller.phase() {
            Phase::Paused => Some("the sync is paused; `towline sync resume` goes on".to_owned()),
            Phase::Braked(reason) => Some(format!("the sync stopped for safety: {reason}")),
            _ => self.slots.iter().find_map(|slot| slot.halted.clone()),
        };
        let settled = self.is_settled();
        let waiters = std::mem::take(&mut self.waiters);
        for waiter in waiters {
            let seen = waiter.barriers == [Barrier::Passed; 2];
            if let Some(reason) = &blocked {
                let _ = waiter.reply_tx.send(Err(SyncError(reason.clone()))); // nobody waits any more
            } else if seen && settled {
                let _ = waiter.reply_tx.send(Ok(())); // nobody waits any more
            } else if !waiter.reply_tx.is_closed() {
                self.waiters.push(waiter);
            }
        }
    }

    /// Nothing is left to do, and a killed hub would know it again: without the
    /// ancestor the next one takes an edit there for what was always there.
    fn is_settled(&self) -> bool {
        self.controller.phase() == Phase::Settled && self.store.is_saved()
    }

    pub(super) fn save(&mut self, now: Instant) {
        if self.store.wants_snapshot() && (self.store.has_failed() || self.flush_at.is_none()) {
            self.store.snapshot(self.controller.records());
        }
        if self.controller.phase() == Phase::Settled {
            self.flush_at = self.store.is_dirty().then_some(now); // nothing is in its way
        }
        match self.flush_at {
            None if self.store.is_dirty() => self.flush_at = Some(now + FLUSH_EVERY),
            Some(at) if at <= now => {
                self.store.flush();
                self.flush_at = self.store.is_dirty().then_some(now + FLUSH_EVERY);
            }
            _ => {}
        }
    }

    /// Tells faces: a new phase at once, counts now and then.
    pub(super) fn tell(&mut self, now: Instant) {
        let halted = self.slots.iter().find_map(|slot| slot.halted.as_deref());
        let due = self.status_at.is_some_and(|at| at <= now);
        let mut summary = self.controller.summary();
        if summary.phase == Phase::Settled && !self.is_settled() {
            summary.phase = Phase::Applying;
        }
        let current = status::current(&self.spec, summary, halted, &self.recent);
        let known = self.status_tx.borrow();
        let same_phase =
            std::mem::discriminant(&known.phase) == std::mem::discriminant(&current.phase);
        let same = *known == current;
        drop(known);
        if same {
            self.status_at = None;
        } else if due || !same_phase {
            self.status_tx.send_replace(current);
            self.status_at = None;
        } else {
            self.status_at.get_or_insert(now + STATUS_EVERY);
        }
    }
}
