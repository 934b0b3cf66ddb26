//! When to dial again. Pure: the seed is given, time is counted by the caller.

use core::time::Duration;

/// The pause before the second attempt; the first follows at once.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause: a person who reopens a laptop waits at most this long.
const LONGEST: Duration = Duration::from_secs(5);

/// A growing pause with jitter, so that many hubs do not dial in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    attempts: u32,
    random: u64,
}

impl Backoff {
    /// A fresh schedule; any seed will do.
    pub fn new(seed: u64) -> Self {
        Self { attempts: 0, random: seed | 1 }
    }

    /// Attempts since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long to wait before the next attempt, which is hereby counted.
    pub fn next_pause(&mut self) -> Duration {
        let before = self.attempts;
        self.attempts = self.attempts.saturating_add(1);
        if before == 0 {
            return Duration::ZERO;
        }
        let whole = FIRST.saturating_mul(1 << (before - 1).min(16)).min(LONGEST);
        // xorshift64: enough to spread, and repeatable in a test
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = u32::try_from(self.random % 50).unwrap_or(0);
        whole - whole * percent / 100
    }

    /// It worked: the next loss is dialled at once again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_at_once_and_the_pauses_grow_to_a_cap() {
        let mut backoff = Backoff::new(7);
        assert_eq!(backoff.next_pause(), Duration::ZERO);
        let mut cap = FIRST;
        for _ in 0..40 {
            let pause = backoff.next_pause();
            assert!(pause <= cap && pause >= cap / 2, "{pause:?} beside {cap:?}");
            cap = (cap * 2).min(LONGEST);
        }
        backoff.reset();
        assert_eq!(backoff.next_pause(), Duration::ZERO);
    }
}
