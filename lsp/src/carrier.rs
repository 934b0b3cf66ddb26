//! Ways to reach an agent's bootstrap channel. A [`Bootstrap`] opens bytes to an
//! agent's `attach`; what is said on them is the link's business.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::io::replica::BoxFuture;
use protocol::wire::hello::AgentHello;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::ports::PortNames;

pub mod process;

/// How much of what a bootstrap complains about is kept.
const COMPLAINTS_MAX: usize = 4096;

/// Opens channels to one target's agent, again and again.
pub trait Bootstrap: Send + Sync + 'static {
    /// What people call the target.
    fn name(&self) -> String;

    /// A channel to an agent, which is started if there is none.
    fn open(&self) -> BoxFuture<'_, Result<ByteStream, BootstrapError>>;

    /// The way to the agent's UDP ports, if the link may take it.
    fn udp(&self) -> Option<UdpRoute> {
        None
    }

    /// Whether there may be a tunnel to the loopback address of the agent's machine
    /// that is better than the bootstrap channel.
    fn has_tunnel(&self) -> bool {
        false
    }

    /// A tunnel to that port.
    fn tunnel(&self, port: u16) -> BoxFuture<'_, Result<ByteStream, BootstrapError>> {
        let message = format!("{} has no tunnel to port {port}", self.name());
        Box::pin(async { Err(BootstrapError { message, again: false }) })
    }

    /// The ports that the target's platform has names for.
    fn port_names(&self) -> PortNames {
        PortNames::new()
    }

    /// Returns when it is worth trying again.
    fn news(&self) -> BoxFuture<'_, News> {
        Box::pin(std::future::pending())
    }

    /// The agent on the last channel said hello: the next one may take a shorter
    /// way.
    fn learned(&self, agent: &AgentHello) {
        let _ = agent;
    }
}

/// Why a next attempt may fare better than the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A channel would lead to another place than the last one did, or than the last
    /// attempt could have.
    Moved,
    /// Who could not be asked can be asked again.
    Reachable,
}

/// Names what carries a link: `auto`, `stream`, `port-forward` or `udp`.
pub const CARRIER_VARIABLE: &str = "TOWLINE_CARRIER";
/// Names the address at which the agent's UDP ports are reached.
pub const UDP_HOST_VARIABLE: &str = "TOWLINE_UDP_HOST";

/// A way for datagrams beside the bootstrap channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpRoute {
    /// Where the agent's host is.
    pub host: IpAddr,
    /// What to do without an answer there.
    pub otherwise: Otherwise,
    /// Somebody asked for it, so it is worth a wait.
    pub asked: bool,
}

/// What to do when UDP does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Use the bootstrap channel, and what is better than it.
    Stream,
    /// Nothing: say so and try again.
    Fail,
}

/// Which ways the environment lets a link take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    ways: Option<Ways>,
    /// Where the agent is, instead of where it is known to be.
    host: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    /// Whatever is best.
    Auto,
    /// The bootstrap channel alone.
    Stream,
    /// The bootstrap channel, then a tunnel.
    PortForward,
    /// UDP alone.
    Udp,
}

impl Choice {
    /// What the environment asks for.
    ///
    /// # Errors
    /// A value that means nothing.
    pub fn from_env() -> Result<Self, BootstrapError> {
        let read = |name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
        Self::parse(read(CARRIER_VARIABLE), read(UDP_HOST_VARIABLE))
    }

    /// The way by UDP to an agent that is at `host`.
    pub fn udp(&self, host: Option<IpAddr>) -> Option<UdpRoute> {
        let otherwise = match self.ways.unwrap_or(Ways::Auto) {
            Ways::Auto => Otherwise::Stream,
            Ways::Udp => Otherwise::Fail,
            Ways::Stream | Ways::PortForward => return None,
        };
        let asked = self.ways.is_some() || self.host.is_some();
        Some(UdpRoute { host: self.host.or(host)?, otherwise, asked })
    }

    /// The same, on this machine: its own sockets are as good, so only when it is
    /// asked for.
    pub fn local_udp(&self) -> Option<UdpRoute> {
        self.ways?;
        self.udp(Some(Ipv4Addr::LOCALHOST.into()))
    }

    /// Whether a tunnel of the target's platform may be taken.
    pub fn tunnel(&self) -> bool {
        matches!(self.ways, None | Some(Ways::Auto | Ways::PortForward))
    }

    fn parse(carrier: Option<String>, udp_host: Option<String>) -> Result<Self, BootstrapError> {
        let wrong = |message| BootstrapError { message, again: false };
        let ways = match carrier.as_deref() {
            None | Some("") => None,
            Some("auto") => Some(Ways::Auto),
            Some("stream") => Some(Ways::Stream),
            Some("port-forward") => Some(Ways::PortForward),
            Some("udp") => Some(Ways::Udp),
            Some(other) => {
                return Err(wrong(format!(
                    "{CARRIER_VARIABLE} is `{other}`; set it to auto, stream, port-forward or udp"
                )));
            }
        };
        let host = udp_host.map(|text| {
            text.parse().map_err(|_| {
                wrong(format!("{UDP_HOST_VARIABLE} is `{text}`; set it to an IP address"))
            })
        });
        Ok(Self { ways, host: host.transpose()? })
    }
}

/// Bytes to and from an agent.
pub struct ByteStream {
    /// What people call the way: `unix socket`, `exec`.
    pub carrier: String,
    /// From the agent.
    pub rx: Box<dyn AsyncRead + Send + Unpin>,
    /// To the agent.
    pub tx: Box<dyn AsyncWrite + Send + Unpin>,
    /// Dropped when the channel is not needed any more.
    pub guard: Option<Box<dyn Send>>,
    /// What comes beside the channel, such as a standard error stream.
    pub complaints: Complaints,
}

/// The end of what was complained about. Cheap to clone.
#[derive(Clone, Default)]
pub struct Complaints(Arc<Mutex<Vec<u8>>>);

impl Complaints {
    /// More of it; only the end is kept.
    pub fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let excess = kept.len().saturating_sub(COMPLAINTS_MAX);
        kept.drain(..excess);
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.write_str(String::from_utf8_lossy(&kept).trim())
    }
}

/// Why no channel was opened: what was tried, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BootstrapError {
    /// For people.
    pub message: String,
    /// Whether another attempt can be different.
    pub again: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_picks_the_carrier() {
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let parse = |carrier: &str, host: Option<&str>| {
            Choice::parse(Some(carrier.into()), host.map(Into::into))
        };
        let route = |host, otherwise| Some(UdpRoute { host, otherwise, asked: true });
        let silent = Choice::parse(None, None).unwrap();
        let unasked = UdpRoute { host: there, otherwise: Otherwise::Stream, asked: false };
        assert_eq!(silent.udp(Some(there)), Some(unasked));
        assert!(silent.local_udp().is_none() && silent.tunnel());
        let auto = parse("auto", None).unwrap();
        assert_eq!(auto.local_udp(), route(here, Otherwise::Stream));
        assert!(auto.udp(None).is_none() && auto.tunnel());
        for (name, tunnel) in [("stream", false), ("port-forward", true)] {
            let choice = parse(name, None).unwrap();
            assert_eq!((choice.udp(Some(there)), choice.tunnel()), (None, tunnel));
        }
        let udp = parse("udp", Some("10.0.0.2")).unwrap();
        assert_eq!((udp.udp(Some(here)), udp.tunnel()), (route(there, Otherwise::Fail), false));
        assert!(parse("tcp", None).unwrap_err().message.contains("stream, port-forward or udp"));
        assert!(parse("udp", Some("db")).unwrap_err().message.contains("IP address"));
    }
}
