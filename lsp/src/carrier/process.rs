//! An agent on this machine, for `local:` targets: started by a child process,
//! then reached straight through its Unix socket.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::io::replica::BoxFuture;
use protocol::wire::hello::AgentHello;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::{Bootstrap, BootstrapError, ByteStream, Complaints, UdpRoute};

/// Names the agent's binary, before any other place is looked at.
pub const AGENT_VARIABLE: &str = "TOWLINE_AGENT_BIN";
/// What the binary is called.
const AGENT: &str = "towline-agent";
/// First byte on the agent's socket: the socket itself is the channel.
const DIRECT: u8 = b'D';

/// Reaches the agent of one state directory on this machine.
pub struct LocalProcess {
    agent: PathBuf,
    state_dir: PathBuf,
    root: PathBuf,
    grace: Option<Duration>,
    udp: Option<UdpRoute>,
    /// Where the agent listens, once it said so.
    socket: Mutex<Option<PathBuf>>,
}

impl LocalProcess {
    /// The agent of `state_dir`, which serves `root`.
    ///
    /// # Errors
    /// When there is no agent binary to be found.
    pub fn new(state_dir: PathBuf, root: PathBuf) -> Result<Self, BootstrapError> {
        Ok(Self {
            agent: find_agent()?,
            state_dir,
            root,
            grace: None,
            udp: None,
            socket: Mutex::new(None),
        })
    }

    /// With this binary.
    #[must_use]
    pub fn with_agent(agent: PathBuf, state_dir: PathBuf, root: PathBuf) -> Self {
        Self { agent, state_dir, root, grace: None, udp: None, socket: Mutex::new(None) }
    }

    /// With this grace time, if the agent is started here.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// With a way for datagrams.
    #[must_use]
    pub fn udp(mut self, udp: Option<UdpRoute>) -> Self {
        self.udp = udp;
        self
    }

    async fn direct(path: &Path) -> io::Result<ByteStream> {
        let stream = protocol::io::unix::connect(path)?;
        stream.set_nonblocking(true)?;
        let (rx, mut tx) = UnixStream::from_std(stream)?.into_split();
        tx.write_all(&[DIRECT]).await?;
        Ok(ByteStream {
            carrier: "unix socket".into(),
            rx: Box::new(rx),
            tx: Box::new(tx),
            guard: None,
            complaints: Complaints::default(),
        })
    }

    fn spawn(&self) -> Result<ByteStream, BootstrapError> {
        let mut command = Command::new(&self.agent);
        command.arg("attach").arg("--start").arg("--state-dir").arg(&self.state_dir);
        command.arg("--root").arg(&self.root);
        if let Some(grace) = self.grace {
            command.arg("--grace-ms").arg(grace.as_millis().to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // not in the terminal's group: Ctrl-C is for the hub to act on
        command.process_group(0).kill_on_drop(true);
        let failed = |error: &io::Error| BootstrapError {
            message: format!("unable to start {:?}: {error}", self.agent),
            again: false,
        };
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let (Some(tx), Some(rx), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(&io::Error::other("it has no standard streams")));
        };
        let complaints = Complaints::default();
        let kept = complaints.clone();
        tokio::spawn(async move {
            let mut piece = [0; 1024];
            while let Ok(count @ 1..) = stderr.read(&mut piece).await {
                kept.push(&piece[..count]);
            }
        });
        Ok(ByteStream {
            carrier: "child process".into(),
            rx: Box::new(rx),
            tx: Box::new(tx),
            guard: Some(Box::new(child)),
            complaints,
        })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<PathBuf>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bootstrap for LocalProcess {
    fn name(&self) -> String {
        format!("local:{}", self.root.display())
    }

    fn open(&self) -> BoxFuture<'_, Result<ByteStream, BootstrapError>> {
        Box::pin(async move {
            let known = self.known().take(); // said again by each hello
            if let Some(path) = known {
                match Self::direct(&path).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => tracing::debug!(%error, "the agent's socket is gone"),
                }
            }
            self.spawn()
        })
    }

    fn udp(&self) -> Option<UdpRoute> {
        self.udp
    }

    fn learned(&self, agent: &AgentHello) {
        *self.known() = agent.socket.as_ref().map(PathBuf::from);
    }
}

/// The agent's binary: where the variable says, beside this program, in PATH.
///
/// # Errors
/// Says where it was looked for.
pub fn find_agent() -> Result<PathBuf, BootstrapError> {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    find_in(std::env::var_os(AGENT_VARIABLE), beside, std::env::var_os("PATH"))
}

fn find_in(
    named: Option<OsString>,
    beside: Option<PathBuf>,
    path: Option<OsString>,
) -> Result<PathBuf, BootstrapError> {
    if let Some(named) = named.map(PathBuf::from) {
        if named.is_file() {
            return Ok(named);
        }
        let message = format!("{AGENT_VARIABLE} names {named:?}, which is no file");
        return Err(BootstrapError { message, again: false });
    }
    let in_path = path.iter().flat_map(std::env::split_paths).collect::<Vec<_>>();
    let found = beside.iter().chain(&in_path).map(|dir| dir.join(AGENT)).find(|p| p.is_file());
    found.ok_or_else(|| BootstrapError {
        message: format!(
            "no `{AGENT}` was found beside this program ({}) or in PATH; \
             install it there or set {AGENT_VARIABLE}",
            beside.as_deref().map_or("unknown".into(), Path::to_string_lossy)
        ),
        again: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_looked_for_in_order() {
        let temp = tempfile::tempdir().unwrap();
        let dir = |name: &str| {
            let dir = temp.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            dir
        };
        let (beside, in_path) = (dir("beside"), dir("path"));
        let find = |named: Option<&Path>| {
            find_in(
                named.map(|path| path.as_os_str().to_owned()),
                Some(beside.clone()),
                Some(in_path.clone().into_os_string()),
            )
        };
        let error = find(None).unwrap_err();
        assert!(error.message.contains("beside") && error.message.contains(AGENT_VARIABLE));
        std::fs::write(in_path.join(AGENT), "").unwrap();
        assert_eq!(find(None).unwrap(), in_path.join(AGENT));
        std::fs::write(beside.join(AGENT), "").unwrap();
        assert_eq!(find(None).unwrap(), beside.join(AGENT));
        assert_eq!(find(Some(&in_path.join(AGENT))).unwrap(), in_path.join(AGENT));
        assert!(find(Some(temp.path())).unwrap_err().message.contains("no file"));
    }
}
