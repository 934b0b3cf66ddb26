//! Judges whether a carrier still carries: anything that arrives is life; after
//! a silence a ping is due, and a ping into silence is death. Pure.

use core::time::Duration;

/// Silence after which a ping is sent.
pub const PING_AFTER: Duration = Duration::from_secs(5);
/// Silence after a ping until the carrier is given up.
pub const DEAD_AFTER: Duration = Duration::from_secs(10);

/// What to do about one carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look again at this time.
    WaitUntil(Duration),
    /// Send a ping, then look again.
    Ping,
    /// Nothing came back: drop the carrier.
    Dead,
}

/// The life of one carrier. All times count from the caller's own start.
#[derive(Debug, Clone)]
pub struct Liveness {
    heard: Duration,
    asked: Option<Duration>,
}

impl Liveness {
    /// A carrier that came up now; it is asked at once whether data flows.
    pub fn new(now: Duration) -> Self {
        Self { heard: now, asked: None }
    }

    /// Something arrived at `at`.
    pub fn heard(&mut self, at: Duration) {
        if at > self.heard {
            self.heard = at;
            self.asked = None;
        }
    }

    /// A ping was sent.
    pub fn asked(&mut self, now: Duration) {
        self.asked.get_or_insert(now);
    }

    /// What is due.
    pub fn judge(&self, now: Duration) -> Verdict {
        match self.asked {
            Some(asked) if now >= asked + DEAD_AFTER => Verdict::Dead,
            Some(asked) => Verdict::WaitUntil(asked + DEAD_AFTER),
            None if now >= self.heard + PING_AFTER => Verdict::Ping,
            None => Verdict::WaitUntil(self.heard + PING_AFTER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn silence_is_asked_once_and_then_is_death() {
        let mut life = Liveness::new(s(0));
        assert_eq!(life.judge(s(1)), Verdict::WaitUntil(s(5)));
        assert_eq!(life.judge(s(5)), Verdict::Ping);
        life.asked(s(5));
        assert_eq!(life.judge(s(6)), Verdict::WaitUntil(s(15)));
        life.asked(s(9)); // asking again buys no time
        assert_eq!(life.judge(s(15)), Verdict::Dead);
    }

    #[test]
    fn anything_heard_is_life() {
        let mut life = Liveness::new(s(0));
        life.asked(s(5));
        life.heard(s(14));
        assert_eq!(life.judge(s(15)), Verdict::WaitUntil(s(19)));
    }
}
