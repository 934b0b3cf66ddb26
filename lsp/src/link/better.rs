//! Ways that are better than the stream which started the agent: looks for them beside
//! the one in use, and decides how often. Knows nothing of what a link does with them.

use std::time::{Duration, Instant};

use futures_util::future::{self, Either};
use protocol::io::carrier::{Carrier, Kind, tcp, udp};
use protocol::wire::hello::{Offer, UdpWish};
use serde::Serialize;

use crate::carrier::{Bootstrap, ByteStream, UdpRoute};

/// How long one series of knocks by UDP goes on.
pub const KNOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The first pause after a path that was not there or did not last; doubled.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// The longest pause: a firewall rarely changes its mind.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// A path that lived so long was worth it.
const WORTH: Duration = Duration::from_secs(60);

/// What UDP is called.
pub const UDP: &str = "udp";

/// What the hello asks for.
pub fn wish(route: Option<UdpRoute>) -> UdpWish {
    match route {
        None => UdpWish::None,
        Some(route) if route.host.is_loopback() => UdpWish::Loopback,
        Some(_) => UdpWish::Anywhere,
    }
}

/// Proves a path by UDP, once.
///
/// # Errors
/// Says for people why there is none.
pub async fn udp(
    route: UdpRoute,
    offer: Option<&Offer>,
    patience: Duration,
) -> Result<Carrier, String> {
    let offer = offer.ok_or("the agent has no UDP port to offer")?;
    let path = udp::knock(route.host, offer, patience).await;
    let path = path.map_err(|error| error.to_string())?;
    // its own watch ends it when nothing comes back
    Ok(Carrier { name: UDP.into(), kind: Kind::Udp(path), silence_max: None, guard: None })
}

/// Goes through the tunnel of the target's platform, once.
///
/// # Errors
/// Says for people why there is none.
pub async fn tunnel(bootstrap: &dyn Bootstrap, offer: &Offer) -> Result<Carrier, String> {
    let ByteStream { carrier, mut rx, mut tx, guard, complaints } =
        bootstrap.tunnel(offer.port).await.map_err(|error| error.message)?;
    tcp::knock(&mut rx, &mut tx, &offer.token).await.map_err(|error| {
        format!("{carrier} does not lead to the agent: {error} {complaints}").trim_end().to_owned()
    })?;
    Ok(Carrier { name: carrier, kind: Kind::Stream { rx, tx }, silence_max: None, guard })
}

/// Why better ways are not taken, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Passed {
    /// UDP, straight to the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp: Option<String>,
    /// A tunnel of the target's platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<String>,
}

/// What may be looked for.
pub struct Sought {
    /// A path by UDP.
    pub udp: Option<(UdpRoute, Offer)>,
    /// A tunnel.
    pub tunnel: Option<Offer>,
}

impl Sought {
    /// Whatever gets through first.
    ///
    /// # Errors
    /// Why nothing does.
    pub async fn find(&self, bootstrap: &dyn Bootstrap) -> Result<Carrier, Passed> {
        let by_udp = async {
            let Some((route, offer)) = &self.udp else { return Err(Passed::default()) };
            let found = udp(*route, Some(offer), KNOCK_PATIENCE).await;
            found.map_err(|reason| Passed { udp: Some(reason), tunnel: None })
        };
        let by_tunnel = async {
            let Some(offer) = &self.tunnel else { return Err(Passed::default()) };
            let found = tunnel(bootstrap, offer).await;
            found.map_err(|reason| Passed { udp: None, tunnel: Some(reason) })
        };
        tokio::pin!(by_udp, by_tunnel);
        match future::select(by_udp, by_tunnel).await {
            Either::Left((Ok(carrier), _)) | Either::Right((Ok(carrier), _)) => Ok(carrier),
            Either::Left((Err(one), other)) => other.await.map_err(|other| one.and(other)),
            Either::Right((Err(one), other)) => other.await.map_err(|other| one.and(other)),
        }
    }
}

impl Passed {
    /// Those of both; one's own go first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { udp: self.udp.or(other.udp), tunnel: self.tunnel.or(other.tunnel) }
    }
}

/// When to look again.
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

    /// How long to wait before the next look, after what became of the last.
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
