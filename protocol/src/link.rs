//! The pure core of a hub-agent link: when to dial, ping, drop a carrier, give
//! up. Events and `now` in, effects out; `now` counts from the link's start.
//! Knows no socket and no clock.

pub mod backoff;
pub mod frame;
pub mod knock;
pub mod liveness;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use backoff::Backoff;
use liveness::{Liveness, Verdict};

/// Attempts before the first success until the user is told that it does not
/// work; after a success the link is tried for ever.
pub const FIRST_ATTEMPTS_MAX: u32 = 4;

/// Where a link is.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// A carrier is being opened. Failure leads to `Waiting`, or to `Down`
    /// before the first success.
    Dialling,
    /// Waits until `at` to dial again.
    Waiting {
        /// When.
        at: Duration,
    },
    /// A carrier is up. Its loss leads to `Dialling` or `Waiting`.
    Up,
    /// Given up, or told to end: the end state.
    Down {
        /// Why.
        reason: String,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The carrier that was dialled is up.
    Dialled,
    /// It could not be opened.
    DialFailed {
        /// Why.
        reason: String,
        /// Whether another attempt can be different.
        again: bool,
    },
    /// The carrier in use ended.
    Lost {
        /// Why.
        reason: String,
    },
    /// A datagram last arrived at `at`.
    Heard {
        /// When.
        at: Duration,
    },
    /// The target runs somewhere else now.
    Moved,
    /// What could not be reached can be now.
    Reachable,
    /// A deadline has passed.
    Tick,
    /// The user ends the link.
    Stop,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Open a carrier; answer with `Dialled` or `DialFailed`.
    Dial,
    /// Send a ping over the link.
    Ping,
    /// Cut the carrier; a `Lost` for it is not expected.
    DropCarrier,
}

/// The decisions of one link.
#[derive(Debug, Clone)]
pub struct Machine {
    state: State,
    backoff: Backoff,
    liveness: Liveness,
    was_up: bool,
    reason: String,
}

impl Machine {
    /// A link that dials at once: do [`Effect::Dial`].
    pub fn new(seed: u64) -> Self {
        let mut backoff = Backoff::new(seed);
        backoff.next_pause(); // the first attempt, which is on its way
        Self {
            state: State::Dialling,
            backoff,
            liveness: Liveness::new(Duration::ZERO),
            was_up: false,
            reason: String::new(),
        }
    }

    /// Where the link is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Why the last carrier or attempt ended.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Attempts since a carrier was last up.
    pub fn attempts(&self) -> u32 {
        self.backoff.attempts()
    }

    /// When to send [`Event::Tick`].
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        match &self.state {
            State::Waiting { at } => Some(*at),
            State::Up => match self.liveness.judge(now) {
                Verdict::WaitUntil(at) => Some(at),
                Verdict::Ping | Verdict::Dead => Some(now),
            },
            State::Dialling | State::Down { .. } => None,
        }
    }

    /// One event.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match (event, &self.state) {
            (_, State::Down { .. }) => {}
            (Event::Stop, _) => self.state = State::Down { reason: "the link was closed".into() },
            (Event::Dialled, State::Dialling) => {
                self.state = State::Up;
                self.was_up = true;
                self.liveness = Liveness::new(now);
                self.liveness.asked(now);
                effects.push(Effect::Ping);
            }
            (Event::DialFailed { reason, again }, State::Dialling) => {
                let hopeless =
                    !self.was_up && (!again || self.backoff.attempts() >= FIRST_ATTEMPTS_MAX);
                self.reason = reason;
                if hopeless {
                    self.state = State::Down { reason: self.reason.clone() };
                } else {
                    self.redial(now, &mut effects);
                }
            }
            (Event::Lost { reason }, State::Up) => {
                self.reason = reason;
                self.redial(now, &mut effects);
            }
            (Event::Heard { at }, State::Up) => {
                self.liveness.heard(at);
                self.backoff.reset(); // only a carrier that carries counts as a success
            }
            (Event::Tick, State::Waiting { at }) if now >= *at => {
                self.state = State::Dialling;
                effects.push(Effect::Dial);
            }
            (Event::Moved | Event::Reachable, State::Waiting { .. }) => {
                self.state = State::Dialling;
                effects.push(Effect::Dial);
            }
            (Event::Moved, State::Up) => {
                self.reason = "the target runs somewhere else now".into();
                effects.push(Effect::DropCarrier);
                self.backoff.reset();
                self.redial(now, &mut effects);
            }
            (Event::Tick, State::Up) => match self.liveness.judge(now) {
                Verdict::WaitUntil(_) => {}
                Verdict::Ping => {
                    self.liveness.asked(now);
                    effects.push(Effect::Ping);
                }
                Verdict::Dead => {
                    self.reason = "nothing came back for a while".into();
                    effects.push(Effect::DropCarrier);
                    self.redial(now, &mut effects);
                }
            },
            _ => {} // late news of a carrier that is no longer the one in use
        }
        effects
    }

    fn redial(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let pause = self.backoff.next_pause();
        if pause.is_zero() {
            self.state = State::Dialling;
            effects.push(Effect::Dial);
        } else {
            self.state = State::Waiting { at: now + pause };
        }
    }
}

#[cfg(test)]
mod tests;
