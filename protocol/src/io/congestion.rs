//! A congestion window bounded by queueing delay. Loss-based control fills every
//! buffer of a stream carrier before it slows down, and a ping then waits behind
//! all of it; this one keeps the standing queue near a target: a quarter of the
//! path's own delay, so that what waits is never most of what a ping takes, within
//! [`TARGET_MIN`] and [`TARGET_MAX`].
//!
//! Per round trip the smallest delay seen is compared with the smallest of the
//! last seconds; the difference is queue. Below the target the window grows
//! (doubling until the first queue is seen), above it shrinks to what the path
//! carries without one. Loss alone means little: on a carrier that was swapped it
//! is not congestion at all, so it slows only when there is a queue as well or
//! when much is lost.
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
/// Losing more than one byte of so many in a round is congestion, queue or not.
const MUCH_LOST: u64 = 8;

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
    /// The smallest delay and when it was seen.
    base: Option<(Instant, Duration)>,
    round: Round,
    latest: Option<Duration>,
    slowed_at: Instant,
    /// The window to go back to after measuring the path without a queue.
    measuring: Option<u64>,
}

/// What one round trip showed.
#[derive(Debug, Clone)]
struct Round {
    /// It ends when something sent after this is acknowledged.
    started: Instant,
    smallest: Option<Duration>,
    acked: u64,
    lost: u64,
    /// The window was really used.
    full: bool,
}

/// The standing queue to aim at on a path with this delay.
fn target(base: Duration) -> Duration {
    (base / 4).clamp(TARGET_MIN, TARGET_MAX)
}

impl Round {
    fn new(now: Instant) -> Self {
        Self { started: now, smallest: None, acked: 0, lost: 0, full: false }
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
            round: Round::new(now),
            latest: None,
            slowed_at: now,
            measuring: None,
        }
    }

    /// A new carrier is a new path: nothing learned of the old one holds.
    fn look_for_swap(&mut self, now: Instant) {
        let epoch = self.epoch.load(Ordering::Relaxed);
        if epoch != self.seen_epoch {
            self.seen_epoch = epoch;
            self.base = None;
            self.measuring = None;
            self.latest = None;
            self.round = Round::new(now);
            self.slow_start = true;
            self.window = self.window.min(4 * INITIAL * self.mtu);
            self.slowed_at = now;
        }
    }

    fn end_round(&mut self, now: Instant) {
        let round = std::mem::replace(&mut self.round, Round::new(now));
        let Some(smallest) = round.smallest else { return };
        if let Some(window) = self.measuring.take() {
            self.base = Some((now, smallest));
            self.window = window;
            return;
        }
        let base = match self.base {
            Some((at, base)) if base < smallest => {
                if round.full && now.duration_since(at) > BASE_LIFE {
                    self.measuring = Some(self.window);
                    self.window = MINIMUM * self.mtu;
                    return;
                }
                base
            }
            _ => {
                self.base = Some((now, smallest));
                smallest
            }
        };
        let (queue, target) = (smallest - base, target(base));
        if !round.full {
            // an unused window says nothing about the path, and a lone packet's
            // acknowledgement is held back by the peer
        } else if queue > target {
            // what the path carried, with the queue that we want and no more
            self.slow_start = false;
            let keep = (base + target).as_secs_f64() / smallest.as_secs_f64();
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
        self.latest
            .zip(self.base)
            .is_some_and(|(latest, (_, base))| latest.saturating_sub(base) > target(base) / 2)
    }
}

impl Controller for Window {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        self.look_for_swap(now);
        self.round.acked += bytes;
        self.round.full |= !app_limited;
        if sent < self.round.started {
            return; // its delay belongs to the round before, or to the carrier before
        }
        // acknowledgements come in batches; the youngest waited least for its own
        let sample = now.duration_since(sent);
        self.latest = Some(sample);
        self.round.smallest = Some(self.round.smallest.map_or(sample, |s| s.min(sample)));
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        _in_flight: u64,
        _app_limited: bool,
        _largest: Option<u64>,
    ) {
        if self.round.smallest.is_some() {
            self.end_round(now);
        }
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.look_for_swap(now);
        if sent <= self.slowed_at || self.measuring.is_some() {
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
        self.window
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
mod tests {
    use super::*;

    /// A path with a fixed delay and rate and an endless buffer, one round per
    /// step: what the standing queue becomes.
    fn settle(rate: f64, delay: Duration, rounds: u32) -> (Window, Duration) {
        let start = Instant::now();
        let mut now = start;
        let mut window = Window::new(Arc::default(), now, 16384);
        let mut queue = Duration::ZERO;
        for _ in 0..rounds {
            let sent = now;
            let carried = rate * delay.as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a test's arithmetic")]
            let excess = (window.window as f64 - carried).max(0.0);
            queue = Duration::from_secs_f64(excess / rate);
            now += delay + queue;
            window.round.started = sent;
            window.round.full = true;
            window.latest = Some(now - sent);
            window.round.smallest = Some(now - sent);
            window.on_end_acks(now, 0, false, None);
        }
        (window, queue)
    }

    #[test]
    fn the_queue_settles_near_the_target_and_the_path_is_full() {
        // 205 rounds of 50 ms end a little after the path was measured again
        for (rate, delay_ms) in [(10e6, 40), (200e6, 1), (10e6, 80), (500e6, 1)] {
            let delay = Duration::from_millis(delay_ms);
            let (window, queue) = settle(rate, delay, 260);
            assert!(queue <= target(delay) * 3 / 2, "{rate} {delay_ms}: a queue of {queue:?}");
            #[expect(clippy::cast_precision_loss, reason = "a test's arithmetic")]
            let full = window.window as f64 >= rate * delay.as_secs_f64() * 0.9;
            assert!(full, "{rate} {delay_ms}: a window of {}", window.window);
        }
    }

    #[test]
    fn a_swap_forgets_the_old_path() {
        let (mut window, _) = settle(10e6, Duration::from_millis(40), 100);
        window.epoch.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        window.on_congestion_event(now, now, true, 1 << 20);
        assert!(window.slow_start && window.base.is_none());
        assert!(window.window >= MINIMUM * window.mtu);
    }
}
