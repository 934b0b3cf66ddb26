//! A wire between two TUN devices that delays, loses and reorders packets, in
//! user space: not every kernel has `netem`. What happens to a packet follows
//! from the seed and its number alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tun_rs::SyncDevice;

/// What both directions do to packets.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// How long each packet takes, one way.
    pub delay: Duration,
    /// How many of a hundred get lost.
    pub lost: u64,
    /// How many of a hundred overtake those before them: they take half as long.
    pub early: u64,
    /// Picks which.
    pub seed: u64,
}

/// Packets that wait beyond this are lost, as in any router.
const QUEUE_MAX: usize = 10_000;
const PACKET_MAX: usize = 65_536;

/// A wire; gone when its devices are.
#[derive(Debug, Default)]
pub struct Wire {
    cut: Arc<AtomicBool>,
}

/// When it arrives, its number, and the packet; the earliest is the greatest.
type Waiting = Reverse<(Instant, u64, Vec<u8>)>;

#[derive(Default)]
struct Queue {
    packets: Mutex<BinaryHeap<Waiting>>,
    more: Condvar,
}

impl Wire {
    /// Joins two devices. Its threads end when the devices' namespaces do.
    pub fn join(near: SyncDevice, far: SyncDevice, faults: Faults) -> Self {
        let wire = Self::default();
        let (near, far) = (Arc::new(near), Arc::new(far));
        for (from, to, salt) in [(&near, &far, 1), (&far, &near, 2)] {
            let queue = Arc::new(Queue::default());
            let (from, to, cut) = (from.clone(), to.clone(), wire.cut.clone());
            let (source, sink) = (queue.clone(), queue);
            std::thread::spawn(move || take(&from, &source, faults, salt, &cut));
            std::thread::spawn(move || give(&to, &sink));
        }
        wire
    }

    /// Loses everything, or no longer.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }
}

fn take(from: &SyncDevice, queue: &Queue, faults: Faults, salt: u64, cut: &AtomicBool) {
    let mut buffer = vec![0; PACKET_MAX];
    let mut state = (faults.seed << 8 | salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for number in 0.. {
        let Ok(len) = from.recv(&mut buffer) else { return };
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (chance, other) = ((state >> 16) % 100, (state >> 40) % 100);
        if chance < faults.lost || cut.load(Ordering::Relaxed) {
            continue;
        }
        let delay = if other < faults.early { faults.delay / 2 } else { faults.delay };
        let mut packets = queue.packets.lock().unwrap_or_else(PoisonError::into_inner);
        if packets.len() < QUEUE_MAX {
            packets.push(Reverse((Instant::now() + delay, number, buffer[..len].to_vec())));
            queue.more.notify_one();
        }
    }
}

fn give(to: &SyncDevice, queue: &Queue) {
    let mut packets = queue.packets.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let now = Instant::now();
        let wait = match packets.peek() {
            Some(Reverse((due, _, _))) if *due <= now => Duration::ZERO,
            Some(Reverse((due, _, _))) => *due - now,
            None => Duration::from_secs(1),
        };
        if wait.is_zero() {
            let Some(Reverse((_, _, packet))) = packets.pop() else { continue };
            drop(packets);
            if to.send(&packet).is_err() {
                return; // the device's namespace is gone
            }
            packets = queue.packets.lock().unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        packets = queue
            .more
            .wait_timeout(packets, wait)
            .map_or_else(|poisoned| poisoned.into_inner().0, |(packets, _)| packets);
    }
}
