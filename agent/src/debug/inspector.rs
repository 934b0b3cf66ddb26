//! Node's inspector: opened by a signal, reached through a port of the agent's, so that the
//! agent can cut every connection to it. Node goes on by itself when nobody is connected.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use protocol::error::{ErrorCode, WireError};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::judge::Facts;
use super::look;

/// How long the inspector may take to listen.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look whether it does: nothing announces it.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The port that it takes by itself.
const USUAL: u16 = 9229;

/// Connections to one inspector; they end with this.
pub struct Relay {
    port: u16,
    _serving: AbortOnDropHandle<()>,
}

/// Opens the inspector of a process.
///
/// # Errors
/// Why it does not open.
pub async fn open(facts: &Facts) -> Result<Relay, WireError> {
    let failed = |message: String| WireError::new(ErrorCode::Other, message);
    let pid = facts.pid;
    let before = look::ports(pid);
    let inspector = match inspected(facts, &before) {
        Some(port) => port,
        None => {
            let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let sent = id.map(|id| kill_process(id, Signal::USR1));
            if !matches!(sent, Some(Ok(()))) {
                return Err(failed(format!("unable to send SIGUSR1 to process {pid}")));
            }
            opened(pid, &before).await.ok_or_else(|| {
                failed(format!(
                    "the inspector of process {pid} did not open: another process may have port \
                     {USUAL}, or the app handles SIGUSR1 itself"
                ))
            })?
        }
    };
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = bound.map_err(|error| WireError::from(&error))?;
    let port = listener.local_addr().map_err(|error| WireError::from(&error))?.port();
    let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, inspector)));
    Ok(Relay { port, _serving: serving })
}

/// Its port, when it is open already.
fn inspected(facts: &Facts, ports: &[u16]) -> Option<u16> {
    let flag = facts.argv.iter().find_map(|word| word.strip_prefix("--inspect="));
    let flagged = flag.and_then(|text| text.rsplit(':').next()?.parse().ok());
    flagged.into_iter().chain([USUAL]).find(|port| ports.contains(port))
}

async fn opened(pid: u32, before: &[u16]) -> Option<u16> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        // Of this very process: the usual port may be another one's.
        if let Some(port) = look::ports(pid).into_iter().find(|port| !before.contains(port)) {
            return Some(port);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

async fn serve(listener: TcpListener, inspector: u16) {
    let mut joined = JoinSet::new(); // dropped with this task
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, inspector));
    loop {
        tokio::select! {
            Some(_) = joined.join_next() => {}
            accepted = listener.accept() => {
                let Ok((mut near, _)) = accepted else { return };
                joined.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(address).await {
                        let _ = (near.set_nodelay(true), far.set_nodelay(true));
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        }
    }
}

impl Relay {
    /// What the adapter on the hub's side has to know: `port` is the agent's.
    pub fn arguments(&self) -> String {
        format!(r#"{{"type":"pwa-node","request":"attach","port":{}}}"#, self.port)
    }
}
