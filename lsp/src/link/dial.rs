//! One attempt to bring a carrier up: open the channel, say hello, put it under
//! the connection, or make a new connection when the agent is a new one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::io::carrier::{Carrier, Datagrams, Kind};
use protocol::io::connection::Connection;
use protocol::io::hello::{self, HelloError};
use protocol::io::identity::Identity;
use protocol::io::quic::Endpoint;
use protocol::wire::hello::{AgentHello, HubHello};
use tokio::sync::watch;

use super::better;
use crate::carrier::{Bootstrap, CARRIER_VARIABLE, Otherwise, UdpRoute};

/// How long a handshake may take on a carrier that works.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(15);
/// How long UDP may take to answer before the first connection, when nobody asked for
/// it: as long as the hello took to come back twice, within these.
const FIRST_KNOCK_MIN: Duration = Duration::from_millis(100);
const FIRST_KNOCK_MAX: Duration = Duration::from_millis(300);
/// The same, when somebody did.
const ASKED_KNOCK: Duration = Duration::from_secs(2);

/// Who the hub is: made once per link.
pub struct Hub {
    /// Its keys.
    pub identity: Identity,
    /// Its name in the agent's log.
    pub session: [u8; 16],
}

/// A connection to one agent process.
#[derive(Clone)]
pub struct Session {
    /// What it told of itself.
    pub agent: AgentHello,
    /// Its connection's end here.
    pub endpoint: Endpoint,
    /// The connection.
    pub connection: Connection,
    /// What its datagrams are made for, and so what can carry it.
    pub datagrams: Datagrams,
}

/// A carrier is up.
pub struct Dialled {
    /// Under this connection.
    pub session: Session,
    /// The connection is a new one.
    pub fresh: bool,
    /// Which of the endpoint's carriers it is.
    pub generation: u64,
    /// What it is called.
    pub carrier: String,
    /// What the channel was called that led to the agent.
    pub bootstrap: String,
    /// Why a better one is not in use, for people.
    pub passed: Option<String>,
}

/// It did not work.
pub struct DialError {
    /// For people.
    pub reason: String,
    /// Whether another attempt can be different.
    pub again: bool,
}

/// One attempt. `old` is the connection that waits for a carrier.
pub async fn dial(
    bootstrap: Arc<dyn Bootstrap>,
    hub: Arc<Hub>,
    old: Option<Session>,
    step_tx: watch::Sender<&'static str>,
) -> Result<Dialled, DialError> {
    step_tx.send_replace("starting the agent");
    let opened = bootstrap.open().await;
    let mut stream =
        opened.map_err(|error| DialError { reason: error.message, again: error.again })?;
    let route = bootstrap.udp();
    let hello = HubHello {
        fingerprint: hub.identity.fingerprint(),
        session: hub.session,
        udp: better::wish(route),
        tcp: bootstrap.has_tunnel(),
    };
    let asked = Instant::now();
    let agent = hello::hub(&mut stream.rx, &mut stream.tx, &hello).await.map_err(|error| {
        let complaints = stream.complaints.to_string();
        let beside = if complaints.is_empty() { complaints } else { format!(" ({complaints})") };
        let versions = matches!(error, HelloError::Version { .. });
        let advice = if versions { "; install both from one build" } else { "" };
        let name = bootstrap.name();
        let reason = format!("unable to reach the agent of {name}: {error}{beside}{advice}");
        DialError { reason, again: !versions }
    })?;
    bootstrap.learned(&agent);
    let answered_after = asked.elapsed();
    let failed = |reason: String| DialError { reason, again: true };
    let bootstrap = stream.carrier.clone();
    let stream = Carrier {
        name: stream.carrier,
        kind: Kind::Stream { rx: stream.rx, tx: stream.tx },
        silence_max: None, // the link pings
        guard: stream.guard,
    };
    let old = old.filter(|session| {
        session.agent.instance == agent.instance && agent.resumed && !session.connection.is_closed()
    });
    let (carrier, passed) = match route {
        Some(route) if route.otherwise == Otherwise::Fail => {
            step_tx.send_replace("reaching the agent by UDP");
            let udp = better::udp(route, agent.udp.as_ref(), better::KNOCK_PATIENCE).await;
            let udp = udp.map_err(|reason| {
                let advice = "let UDP through, or set";
                failed(format!("{reason}; {advice} {CARRIER_VARIABLE} to auto or stream"))
            })?;
            (udp, None)
        }
        Some(route) if old.is_none() => first(route, &agent, answered_after, stream).await,
        _ => (stream, None),
    };
    let name = carrier.name.clone();
    if let Some(session) = old {
        let generation = session.endpoint.socket().replace(carrier);
        let session = Session { agent, ..session };
        return Ok(Dialled { session, fresh: false, generation, carrier: name, bootstrap, passed });
    }
    step_tx.send_replace("handshake");
    let datagrams = match carrier.kind {
        Kind::Stream { .. } => Datagrams::ForStreams,
        Kind::Udp(_) => Datagrams::ForUdp,
    };
    let endpoint = Endpoint::client(&hub.identity, agent.fingerprint, datagrams)
        .map_err(|error| failed(error.to_string()))?;
    let generation = endpoint.socket().replace(carrier);
    let mut status_rx = endpoint.socket().status();
    let connection = tokio::select! {
        connected = endpoint.connect() => connected.map_err(|error| failed(error.to_string()))?,
        Ok(status) = status_rx.wait_for(|status| status.ended.is_some()) => {
            let reason = status.ended.clone().unwrap_or_default();
            return Err(failed(format!("the carrier ended in the handshake: {reason}")));
        }
        () = tokio::time::sleep(HANDSHAKE_PATIENCE) => {
            return Err(failed("the handshake with the agent took too long".into()));
        }
    };
    let session = Session { agent, endpoint, connection, datagrams };
    Ok(Dialled { session, fresh: true, generation, carrier: name, bootstrap, passed })
}

/// The first carrier of a connection, and why it is not UDP: what it begins on decides
/// how large its datagrams are, so UDP gets a chance before.
async fn first(
    route: UdpRoute,
    agent: &AgentHello,
    answered_after: Duration,
    stream: Carrier,
) -> (Carrier, Option<String>) {
    let patience = if route.asked {
        ASKED_KNOCK
    } else {
        (answered_after * 2).clamp(FIRST_KNOCK_MIN, FIRST_KNOCK_MAX)
    };
    match better::udp(route, agent.udp.as_ref(), patience).await {
        Ok(udp) => (udp, None),
        Err(reason) => (stream, Some(reason)),
    }
}
