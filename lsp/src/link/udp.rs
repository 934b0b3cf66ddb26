//! The way from a stream to UDP: knocks beside the stream in use, and decides how
//! often. Knows nothing of what a link does with the path.

use std::time::{Duration, Instant};

use protocol::io::carrier::{Carrier, Kind, udp};
use protocol::wire::hello::{UdpOffer, UdpWish};

use crate::carrier::UdpRoute;

/// How long one series of knocks goes on.
const KNOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The first pause after a path that was not there or did not last; doubled.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// The longest pause: a firewall rarely changes its mind.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// A path that lived so long was worth it.
const WORTH: Duration = Duration::from_secs(60);

/// What UDP is called.
pub const NAME: &str = "udp";

/// What the hello asks for.
pub fn wish(route: Option<UdpRoute>) -> UdpWish {
    match route {
        None => UdpWish::None,
        Some(route) if route.host.is_loopback() => UdpWish::Loopback,
        Some(_) => UdpWish::Anywhere,
    }
}

/// Proves a path, once.
///
/// # Errors
/// Says for people why there is none.
pub async fn prove(route: UdpRoute, offer: Option<&UdpOffer>) -> Result<Carrier, String> {
    let offer = offer.ok_or("the agent has no UDP port to offer")?;
    let path = udp::knock(route.host, offer, KNOCK_PATIENCE).await;
    let path = path.map_err(|error| error.to_string())?;
    // its own watch ends it when nothing comes back
    Ok(Carrier { name: NAME.into(), kind: Kind::Udp(path), silence_max: None, guard: None })
}

/// When to knock again.
#[derive(Debug)]
pub struct Pace {
    pause: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// The first time is at once.
    pub fn new() -> Self {
        Self { pause: Duration::ZERO, since: None }
    }

    /// How long to wait before the next series of knocks, after what became of
    /// the last.
    pub fn pause(&mut self, now: Instant) -> Duration {
        if self.since.take().is_some_and(|since| now.duration_since(since) >= WORTH) {
            self.pause = Duration::ZERO;
        }
        let pause = self.pause;
        self.pause = (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        pause
    }

    /// A path was taken.
    pub fn taken(&mut self, now: Instant) {
        self.since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_last_is_tried_less_often() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        assert_eq!(pace.pause(start), Duration::ZERO);
        pace.taken(start);
        assert_eq!(pace.pause(start + Duration::from_secs(4)), PAUSE_MIN);
        assert_eq!(pace.pause(start), PAUSE_MIN * 2);
        for _ in 0..10 {
            pace.pause(start);
        }
        assert_eq!(pace.pause(start), PAUSE_MAX);
        pace.taken(start);
        assert_eq!(pace.pause(start + WORTH), Duration::ZERO);
    }
}
