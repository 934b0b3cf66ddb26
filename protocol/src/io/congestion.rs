//! A congestion window bounded by queueing delay. Loss-based control fills every
//! buffer of a stream carrier before it slows down, and a ping then waits behind
//! all of it; this one keeps the standing queue near a target: a quarter of the
//! path's own delay, so that what waits is never most of what a ping takes, within
//! [`TARGET_MIN`] and [`TARGET_MAX`].
//!
//! Per round trip the delay is compared with the path's own, the smallest of the
//! last seconds; the difference is queue. Below the target the window grows
//! (doubling until the first queue is seen), above it shrinks to what the path
//! carries without one. Loss alone means little: on a carrier that was swapped it
//! is not congestion at all, so it slows only when there is a queue as well or
//! when much is lost.
//!
//! Some paths let packets overtake others, and one such packet would make all the
//! others look queued. So a round counts as queued when seven of ten packets took
//! longer than half of them do on the path alone; it takes two rounds to say that the
//! path is shorter than was known; and a queue that stays when hardly anything is
//! under way is the path.
//!
//! Doubt: against loss-based neighbours on a shared bottleneck it gets the
//! smaller share, as every delay-based control does.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

use crate::limits::CONGESTION_WINDOW_MAX;

/// The smallest standing queue it aims at: below this, the time that a thread
/// waits for its turn looks like one.
const TARGET_MIN: Duration = Duration::from_millis(2);
/// The largest: more than this is felt at a keyboard.
const TARGET_MAX: Duration = Duration::from_millis(10);
/// After so long the smallest delay is measured again, for one round trip with
/// next to nothing under way: a queue that always stands looks like the path.
const BASE_LIFE: Duration = Duration::from_secs(10);
/// The first window, in datagrams.
const INITIAL: u64 = 16;
/// The smallest, in datagrams: two in flight keep acknowledgements coming.
const MINIMUM: u64 = 2;
/// Windows up to this many datagrams leave no queue of their own.
const SMALL: u64 = 4;
/// Fewer delays say nothing of the path alone.
const SAMPLES_MIN: usize = 8;
/// More are not kept.
const SAMPLES_MAX: usize = 4096;
/// Losing more than one byte of so many in a round is congestion, queue or not.
const MUCH_LOST: u64 = 4;

/// Makes controllers; holds the count of carrier swaps.
#[derive(Debug, Clone)]
pub struct DelayBound {
    epoch: Arc<AtomicU64>,
}

impl DelayBound {
    /// Controllers that start over whenever `epoch` changes.
    pub fn new(epoch: Arc<AtomicU64>) -> Self {
        Self { epoch }
    }
}

impl ControllerFactory for DelayBound {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Window::new(self.epoch.clone(), now, mtu))
    }
}

#[derive(Debug, Clone)]
struct Window {
    epoch: Arc<AtomicU64>,
    seen_epoch: u64,
    mtu: u64,
    window: u64,
    slow_start: bool,
    /// The path's own delay and when it was measured.
    base: Option<(Instant, Duration)>,
    /// The last round's, if it was below the path's: another one confirms it.
    shorter: Option<Duration>,
    round: Round,
    /// The last round's.
    delay: Option<Duration>,
    slowed_at: Instant,
    /// The window to go back to after measuring the path without a queue.
    measuring: Option<u64>,
    /// Bytes under way, acknowledged or lost as far as is known.
    flying: u64,
    /// On a carrier from which nothing came back yet.
    grant: Option<Grant>,
}

/// What may be sent on a new carrier beside all that was under way on the one before,
/// which is lost, but counts until an acknowledgement shows it. An acknowledgement of
/// what went over the old one, come late, shows nothing.
#[derive(Debug, Clone, Copy)]
struct Grant {
    /// Which carrier.
    epoch: u64,
    /// When its first packet was sent.
    since: Instant,
    /// Bytes that may follow.
    left: u64,
}

/// What one round trip showed.
#[derive(Debug, Clone)]
struct Round {
    /// Only what was sent since is its own.
    started: Instant,
    /// What was sent after this is not a sample.
    full_at: Instant,
    /// When something sent after this is acknowledged, all samples are that were not
    /// lost, also those that were overtaken.
    ends_at: Instant,
    /// How long each packet took.
    samples: Vec<Duration>,
    /// Something that was sent after the end is acknowledged.
    ended: bool,
    lost: u64,
    /// The window was really used.
    full: bool,
}

/// The standing queue to aim at on a path with this delay.
fn target(base: Duration) -> Duration {
    (base / 4).clamp(TARGET_MIN, TARGET_MAX)
}

impl Round {
    /// On a path with this delay.
    fn new(now: Instant, path: Duration) -> Self {
        Self {
            started: now,
            full_at: now + path / 2,
            ends_at: now + path * 3 / 4,
            samples: Vec::new(),
            ended: false,
            lost: 0,
            full: false,
        }
    }

    /// To measure the path with so little under way that each packet counts.
    fn measuring(now: Instant) -> Self {
        Self { full_at: now + BASE_LIFE, ..Self::new(now, Duration::ZERO) }
    }

    /// What this share of the packets took at most.
    fn delay(&mut self, numerator: usize, denominator: usize) -> Option<Duration> {
        let at = self.samples.len() * numerator / denominator;
        (at < self.samples.len()).then(|| *self.samples.select_nth_unstable(at).1)
    }
}

impl Window {
    fn new(epoch: Arc<AtomicU64>, now: Instant, mtu: u16) -> Self {
        let seen_epoch = epoch.load(Ordering::Relaxed);
        let mtu = u64::from(mtu);
        Self {
            epoch,
            seen_epoch,
            mtu,
            window: INITIAL * mtu,
            slow_start: true,
            base: None,
            shorter: None,
            round: Round::measuring(now),
            delay: None,
            slowed_at: now,
            measuring: None,
            flying: 0,
            grant: None,
        }
    }

    /// The carrier in use, if it is not the one that all this was learned of.
    fn swapped(&self) -> Option<u64> {
        let epoch = self.epoch.load(Ordering::Relaxed);
        (epoch != self.seen_epoch).then_some(epoch)
    }

    /// Whether news of what was sent then are of the carrier in use. A new carrier is
    /// a new path: nothing learned of the old one holds.
    fn is_of_this_carrier(&mut self, now: Instant, sent: Instant) -> bool {
        let Some(epoch) = self.swapped() else { return true };
        if !self.grant.is_some_and(|grant| grant.epoch == epoch && sent >= grant.since) {
            return false;
        }
        self.seen_epoch = epoch;
        self.base = None;
        self.shorter = None;
        self.measuring = None;
        self.delay = None;
        self.grant = None;
        self.round = Round::measuring(now);
        self.slow_start = true;
        self.window = self.window.min(4 * INITIAL * self.mtu);
        self.slowed_at = now;
        true
    }

    fn end_round(&mut self, now: Instant) {
        let path = self.base.map_or(Duration::ZERO, |(_, base)| base);
        let mut round = std::mem::replace(&mut self.round, Round::new(now, path));
        let (full, enough) = (round.full, round.samples.len() >= SAMPLES_MIN);
        if let Some(window) = self.measuring.take() {
            self.base = round.delay(1, 2).map(|delay| (now, delay)).or(self.base);
            self.window = window;
            return;
        }
        let (Some(delay), Some(middle)) = (round.delay(3, 10), round.delay(1, 2)) else { return };
        self.delay = Some(delay);
        let Some(base) = self.path(now, middle, full, enough) else { return };
        let (queue, target) = (delay.saturating_sub(base), target(base));
        if !full {
            // an unused window says nothing about the path, and a lone packet's
            // acknowledgement is held back by the peer
        } else if queue > target {
            // what the path carried, with the queue that we want and no more
            self.slow_start = false;
            let keep = (base + target).as_secs_f64() / delay.as_secs_f64();
            self.scale(keep.max(0.5));
        } else if self.slow_start {
            if queue > target / 2 {
                self.slow_start = false;
            } else {
                self.scale(2.0);
            }
        } else {
            let room = 1.0 - queue.as_secs_f64() / target.as_secs_f64();
            self.scale(1.0 + room / 8.0);
            self.window = (self.window + self.mtu).min(CONGESTION_WINDOW_MAX);
        }
    }

    /// The path's own delay after a round with this one; none when it is to be
    /// measured anew.
    fn path(
        &mut self,
        now: Instant,
        delay: Duration,
        full: bool,
        enough: bool,
    ) -> Option<Duration> {
        let Some((at, base)) = self.base else {
            self.base = Some((now, delay));
            return Some(delay);
        };
        if delay <= base {
            match self.shorter.take() {
                Some(other) => self.base = Some((now, delay.max(other))),
                None if enough => self.shorter = Some(delay),
                None => {}
            }
            return self.base.map(|(_, base)| base);
        }
        self.shorter = None;
        if full && self.window <= SMALL * self.mtu && delay - base > target(base) {
            self.base = Some((now, delay));
        } else if full && now.duration_since(at) > BASE_LIFE {
            self.measuring = Some(self.window);
            self.window = SMALL * self.mtu;
            self.round = Round::measuring(now);
            return None;
        }
        self.base.map(|(_, base)| base)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a window of at most 16 MiB, scaled by a positive number, clamped below"
    )]
    fn scale(&mut self, by: f64) {
        let scaled = (self.window as f64 * by) as u64;
        self.window = scaled.clamp(MINIMUM * self.mtu, CONGESTION_WINDOW_MAX);
    }

    fn is_queued(&self) -> bool {
        self.delay
            .zip(self.base)
            .is_some_and(|(delay, (_, base))| delay.saturating_sub(base) > target(base) / 2)
    }

    fn acked(&mut self, now: Instant, sent: Instant, app_limited: bool) {
        if !self.is_of_this_carrier(now, sent) {
            return;
        }
        self.round.full |= !app_limited;
        if sent < self.round.started {
            return; // its delay belongs to the round before, or to the carrier before
        }
        if sent <= self.round.full_at && self.round.samples.len() < SAMPLES_MAX {
            self.round.samples.push(now.duration_since(sent));
        }
        self.round.ended |= sent >= self.round.ends_at;
    }

    fn acks_end(&mut self, now: Instant) {
        let enough = (self.base.is_some() && self.measuring.is_none())
            || self.round.samples.len() >= SAMPLES_MIN;
        if enough && self.round.ended {
            self.end_round(now);
        }
    }
}

impl Controller for Window {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        _bytes: u64,
        app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        self.acked(now, sent, app_limited);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        _app_limited: bool,
        _largest: Option<u64>,
    ) {
        self.flying = in_flight;
        self.acks_end(now);
    }

    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        if let Some(epoch) = self.swapped() {
            let new = Grant { epoch, since: now, left: INITIAL * self.mtu };
            let grant = self.grant.filter(|grant| grant.epoch == epoch).unwrap_or(new);
            self.grant = Some(Grant { left: grant.left.saturating_sub(bytes), ..grant });
        }
        self.flying += bytes;
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.flying = self.flying.saturating_sub(lost_bytes);
        if !self.is_of_this_carrier(now, sent) || sent <= self.slowed_at || self.measuring.is_some()
        {
            return;
        }
        self.round.lost += lost_bytes;
        let much = self.round.lost * MUCH_LOST > self.window;
        if is_persistent_congestion || much || self.is_queued() {
            self.slowed_at = now;
            self.slow_start = false;
            self.scale(if is_persistent_congestion { 0.5 } else { 0.8 });
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
        self.scale(1.0);
    }

    fn window(&self) -> u64 {
        let Some(epoch) = self.swapped() else { return self.window };
        let grant = self.grant.filter(|grant| grant.epoch == epoch);
        let left = grant.map_or(INITIAL * self.mtu, |grant| grant.left);
        (self.flying + left).max(self.window)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        INITIAL * self.mtu
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;
