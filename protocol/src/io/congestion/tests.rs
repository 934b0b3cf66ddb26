//! The window on simulated paths: packets that queue, get lost and overtake.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

const MTU: u16 = 1232;
/// How long a lone packet's acknowledgement is held back.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// What comes within this is acknowledged together.
const TOGETHER: Duration = Duration::from_millis(1);

/// A path of one bottleneck with an endless buffer.
#[derive(Debug, Clone, Copy)]
struct Path {
    /// Bytes in a second.
    rate: f64,
    /// One way.
    delay: Duration,
    /// Of a hundred packets.
    lost: u64,
    /// Of a hundred packets and acknowledgements: they take half as long.
    early: u64,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// At the receiver.
    Arrived {
        sent: Instant,
        early: bool,
    },
    /// The receiver acknowledges what it has.
    Due,
    /// At the sender; the packet was the youngest or not.
    Acked {
        sent: Instant,
        last: bool,
    },
    Lost {
        sent: Instant,
    },
}

/// What became of a transfer.
#[derive(Debug)]
struct Ran {
    window: Window,
    /// Of what the path could carry in the second half.
    share: f64,
    /// The queue that packets of the second half usually met.
    queue: Duration,
}

fn run(path: Path, lasts: Duration) -> Ran {
    let start = Instant::now();
    let mut window = Window::new(Arc::default(), start, MTU);
    let mtu = u64::from(MTU);
    let transfer = Duration::from_secs_f64(f64::from(MTU) / path.rate);
    let mut state = path.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut chance = |of_hundred: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % 100 < of_hundred
    };
    let (mut events, mut now, mut free_at) = (BinaryHeap::new(), start, start);
    let (mut flying, mut unacked) = (0, Vec::new());
    let (mut delivered, mut queues) = (0_u32, Vec::new());
    while now < start + lasts {
        while flying + mtu <= window.window {
            flying += mtu;
            free_at = free_at.max(now) + transfer;
            let late = now.duration_since(start) > lasts / 2;
            if late {
                queues.push(free_at - transfer - now);
            }
            if chance(path.lost) {
                // known when others sent later were acknowledged
                events.push(Reverse((free_at + path.delay * 9 / 4, News::Lost { sent: now })));
                continue;
            }
            delivered += u32::from(late);
            let early = chance(path.early);
            let delay = if early { path.delay / 2 } else { path.delay };
            events.push(Reverse((free_at + delay, News::Arrived { sent: now, early })));
        }
        let Some(Reverse((at, news))) = events.pop() else { break };
        now = at;
        match news {
            News::Arrived { sent, early } => {
                unacked.push(sent);
                let wait = match unacked.len() {
                    _ if early => Duration::ZERO, // what is out of order is said at once
                    1 => ACK_DELAY,
                    _ => TOGETHER,
                };
                events.push(Reverse((now + wait, News::Due)));
            }
            News::Due => {
                let delay = if chance(path.early) { path.delay / 2 } else { path.delay };
                while let Some(sent) = unacked.pop() {
                    let last = unacked.is_empty();
                    events.push(Reverse((now + delay, News::Acked { sent, last })));
                }
            }
            News::Acked { sent, last } => {
                flying -= mtu;
                window.acked(now, sent, false);
                if last {
                    window.acks_end(now);
                }
            }
            News::Lost { sent } => {
                flying -= mtu;
                window.on_congestion_event(now, sent, false, mtu);
            }
        }
    }
    queues.sort_unstable();
    let carried = f64::from(delivered) * f64::from(MTU);
    let share = carried / (path.rate * (lasts / 2).as_secs_f64());
    Ran { window, share, queue: queues[queues.len() / 2] }
}

#[test]
fn the_path_is_full_and_the_queue_near_its_target() {
    for (rate, delay_ms) in [(1e6, 20), (10e6, 20), (10e6, 40), (50e6, 5), (2e6, 100)] {
        let delay = Duration::from_millis(delay_ms);
        let path = Path { rate, delay, lost: 0, early: 0, seed: 1 };
        let ran = run(path, Duration::from_secs(30));
        assert!(ran.share > 0.9, "{path:?}: {ran:?}");
        assert!(ran.queue <= target(2 * delay) * 2, "{path:?}: {ran:?}");
    }
}

#[test]
fn packets_that_overtake_and_get_lost_do_not_slow_it_down() {
    for seed in 1..=8 {
        let delay = Duration::from_millis(40);
        for rate in [1e6, 10e6] {
            let path = Path { rate, delay, lost: 3, early: 5, seed };
            let ran = run(path, Duration::from_secs(30));
            assert!(ran.share > 0.65, "{path:?}: {ran:?}");
            assert!(ran.queue < Duration::from_millis(40), "{path:?}: {ran:?}");
        }
    }
}

#[test]
fn a_swap_forgets_the_old_path() {
    let path = Path { rate: 10e6, delay: Duration::from_millis(20), lost: 0, early: 0, seed: 1 };
    let mut window = run(path, Duration::from_secs(5)).window;
    window.epoch.fetch_add(1, Ordering::Relaxed);
    let now = Instant::now();
    window.on_sent(now, 1, 0);
    window.on_congestion_event(now, now, true, 1 << 20);
    assert!(window.slow_start && window.base.is_none());
    assert!(window.window >= MINIMUM * window.mtu);
}

#[test]
fn a_new_carrier_may_send_though_the_old_one_took_a_whole_window_along() {
    let (before, first) = (Instant::now(), INITIAL * u64::from(MTU));
    let mut window = Window::new(Arc::default(), before, MTU);
    let whole = window.window();
    window.on_sent(before, whole, 0);
    let swapped = before + Duration::from_secs(1);
    for carrier in 0..2 {
        window.epoch.fetch_add(1, Ordering::Relaxed);
        let lost = whole + carrier * first;
        assert_eq!(window.window(), lost + first);
        // What went over the old one and is acknowledged or lost now says nothing.
        window.acked(swapped, before, false);
        window.on_end_acks(swapped, lost, false, None);
        window.on_congestion_event(swapped, before, true, 0);
        assert_eq!(window.window(), lost + first);
        // But no more than once.
        window.on_sent(swapped, first, 1);
        window.on_sent(swapped, u64::from(MTU), 2);
        window.on_end_acks(swapped, lost + first, false, None);
        assert_eq!(window.window(), lost + first);
    }
    window.acked(swapped, swapped, false);
    assert!(window.window() <= 4 * first);
}
