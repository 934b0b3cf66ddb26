//! Dials from where the agent is: one stream of the link, one TCP connection or
//! UDP flow. Knows nothing of who listens at the other end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::FrameError;
use protocol::io::pump::{self, Counters, CuttingTcp};
use protocol::limits::DIAL_TIMEOUT;
use protocol::wire::port::{Dial, Protocol};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::dns;
use crate::router::{accept, refuse};

mod udp;

/// How long one address may be silent before the next one is tried beside it
/// (RFC 8305 recommends 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(context: &Context, dial: Dial, mut channel: Channel) -> Result<(), FrameError> {
    let shutdown = context.shutdown.clone();
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {
            channel.tx.reset();
            Ok(())
        }
        served = serve_until_cut(&dial, &mut channel) => match served? {
            Some(far) => join(far, channel, context).await,
            None => Ok(()),
        },
    }
}

enum Far {
    Tcp(TcpStream),
    Udp(udp::Flow),
}

/// Opens the far side; the client going away ends the attempt.
async fn serve_until_cut(dial: &Dial, channel: &mut Channel) -> Result<Option<Far>, FrameError> {
    let stopped = channel.tx.stopped();
    let opened = tokio::select! {
        biased;
        () = stopped => return Ok(None),
        opened = open(dial) => opened,
    };
    match opened {
        Ok(far) => {
            accept(channel).await?;
            Ok(Some(far))
        }
        Err(error) => {
            refuse(channel, error).await?;
            Ok(None)
        }
    }
}

async fn open(dial: &Dial) -> Result<Far, WireError> {
    if dial.port == 0 && dial.name.is_none() {
        return Err(WireError::new(ErrorCode::BadRequest, "port 0 cannot be dialled"));
    }
    let attempt = async {
        let port = match &dial.name {
            Some(name) => dns::service_port(&dial.host, name, dial.protocol).await?,
            None => dial.port,
        };
        let addresses = dns::resolve(&dial.host).await?;
        match dial.protocol {
            Protocol::Tcp => {
                let tcp = connect(&addresses, port).await;
                tcp.map(Far::Tcp).map_err(|error| explain(dial, &error))
            }
            Protocol::Udp => {
                let flow = udp::Flow::open(&addresses, port).await;
                flow.map(Far::Udp).map_err(|error| explain(dial, &error))
            }
        }
    };
    tokio::time::timeout(DIAL_TIMEOUT, attempt).await.unwrap_or_else(|_| {
        Err(explain(dial, &io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
    })
}

fn explain(dial: &Dial, error: &io::Error) -> WireError {
    let mut wire = WireError::from(error);
    let port = dial.name.clone().unwrap_or_else(|| dial.port.to_string());
    wire.message = format!("unable to reach {}:{port}: {}", dial.host, reason(error));
    wire
}

/// What went wrong, without the operating system's number behind it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        _ => error.to_string(),
    }
}

/// Tries the addresses in order; the next one starts when one failed or is
/// silent for a while, and the first that answers wins.
async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new(); // dropping it ends the losers
    let mut waiting = addresses.iter();
    let mut failure: Option<io::Error> = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(SocketAddr::new(*address, port)));
        } else if attempts.is_empty() {
            return Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
        }
        let more = waiting.len() > 0;
        let joined = tokio::select! {
            biased;
            joined = attempts.join_next() => joined,
            () = tokio::time::sleep(STAGGER), if more => None,
        };
        match joined {
            Some(Ok(Ok(tcp))) => return Ok(tcp),
            Some(Ok(Err(error))) => failure = Some(worse(failure, error)),
            Some(Err(_)) | None => {} // a task that ended oddly, or it is time for the next
        }
    }
}

/// Of two failures the one that says more: a refusal shows that the host is there.
fn worse(known: Option<io::Error>, new: io::Error) -> io::Error {
    match known {
        Some(known) if known.kind() == io::ErrorKind::ConnectionRefused => known,
        Some(known) if new.kind() != io::ErrorKind::ConnectionRefused => known,
        _ => new,
    }
}

async fn join(far: Far, channel: Channel, context: &Context) -> Result<(), FrameError> {
    let Channel { tx, rx } = channel;
    let joined = async {
        match far {
            Far::Tcp(tcp) => {
                let tcp = CuttingTcp::new(tcp);
                let done = pump::tcp(tcp, tx, async { Ok(rx) }, &Counters::default()).await;
                if let Err(error) = done {
                    tracing::debug!(%error, "a forwarded connection was cut");
                }
                Ok(())
            }
            Far::Udp(flow) => flow.run(tx, rx).await,
        }
    };
    tokio::select! {
        biased;
        () = context.shutdown.cancelled() => Ok(()), // dropping the pair cuts both sides
        done = joined => done,
    }
}
