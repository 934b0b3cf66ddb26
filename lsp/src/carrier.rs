//! Ways to reach an agent's bootstrap channel. A [`Bootstrap`] opens bytes to an
//! agent's `attach`; what is said on them is the link's business.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::io::replica::BoxFuture;
use protocol::wire::hello::AgentHello;
use tokio::io::{AsyncRead, AsyncWrite};

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

/// Names what carries a link: `stream`, `udp` or `auto`.
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
}

/// What to do when UDP does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Use the bootstrap channel, and move to UDP whenever it does.
    Stream,
    /// Nothing: say so and try again.
    Fail,
}

/// What the environment says of UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpChoice {
    /// What to do without it; none: it is not used.
    otherwise: Option<Otherwise>,
    /// Where the agent is, instead of where it is known to be.
    host: Option<IpAddr>,
}

impl UdpChoice {
    /// What the environment asks for; the stream alone if it says nothing.
    ///
    /// # Errors
    /// A value that means nothing.
    pub fn from_env() -> Result<Self, BootstrapError> {
        let read = |name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
        Self::parse(read(CARRIER_VARIABLE), read(UDP_HOST_VARIABLE))
    }

    /// The way to an agent that is at `host`.
    pub fn route(&self, host: Option<IpAddr>) -> Option<UdpRoute> {
        Some(UdpRoute { host: self.host.or(host)?, otherwise: self.otherwise? })
    }

    fn parse(carrier: Option<String>, udp_host: Option<String>) -> Result<Self, BootstrapError> {
        let wrong = |message| BootstrapError { message, again: false };
        let otherwise = match carrier.as_deref() {
            None | Some("" | "stream") => None,
            Some("auto") => Some(Otherwise::Stream),
            Some("udp") => Some(Otherwise::Fail),
            Some(other) => {
                return Err(wrong(format!(
                    "{CARRIER_VARIABLE} is `{other}`; set it to stream, udp or auto"
                )));
            }
        };
        let host = match udp_host.filter(|_| otherwise.is_some()) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                wrong(format!("{UDP_HOST_VARIABLE} is `{text}`; set it to an IP address"))
            })?),
        };
        Ok(Self { otherwise, host })
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
            let choice = UdpChoice::parse(Some(carrier.into()), host.map(Into::into));
            choice.map(|choice| choice.route(Some(here)))
        };
        let route = |host, otherwise| Some(UdpRoute { host, otherwise });
        let silent = UdpChoice::parse(None, Some("nonsense".into())).unwrap();
        assert_eq!(silent.route(Some(here)), None);
        assert_eq!(parse("stream", None).unwrap(), None);
        assert_eq!(parse("auto", None).unwrap(), route(here, Otherwise::Stream));
        assert_eq!(parse("udp", Some("10.0.0.2")).unwrap(), route(there, Otherwise::Fail));
        assert!(parse("tcp", None).unwrap_err().message.contains("stream, udp or auto"));
        assert!(parse("udp", Some("db")).unwrap_err().message.contains("IP address"));
    }
}
