//! A face's side of the hub's socket: finds the hub, starts it, talks to it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use protocol::version::VERSION;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::error::FaceError;
use crate::hub::api::{ApiError, Envelope, Reply, Request, read_line, write_line};
use crate::hub::serve::not_up;
use crate::runtime::Workspace;

/// How long a hub that another command is starting may take.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for a hub's process once it said that everything is ended, in seconds.
const END_PATIENCE_S: i64 = 5;

/// What a hub says on standard output once it can be reached.
pub const READY: &str = "ready";

/// What it says when another one has the workspace.
pub const LOCKED: &str = "locked";

/// One request on its way.
pub struct Client {
    rx: BufReader<OwnedReadHalf>,
    tx: OwnedWriteHalf,
    workspace: Workspace,
    /// Whether a hub is wanted even where nothing was up.
    starts: bool,
    /// The request, until its first reply: a dying hub may not have read it.
    unanswered: Option<Value>,
}

/// Both halves of a stream to the agent.
pub type RawStream = (BufReader<OwnedReadHalf>, OwnedWriteHalf);

impl Client {
    /// Reaches the hub that runs; one that died is started again, so that
    /// nothing it kept up is lost.
    ///
    /// # Errors
    /// `nothing is up` when there is none and none is wanted.
    pub async fn connect(workspace: &Workspace) -> Result<Self, FaceError> {
        if let Some(client) = Self::try_connect(workspace).await {
            return Ok(client);
        }
        if !workspace.settings().exists() {
            return Err(not_up().into());
        }
        Self::start(workspace).await
    }

    /// Reaches the hub, starting it if need be.
    ///
    /// # Errors
    /// What went wrong in it.
    pub async fn start(workspace: &Workspace) -> Result<Self, FaceError> {
        if let Some(client) = Self::try_connect(workspace).await {
            return Ok(Self { starts: true, ..client });
        }
        workspace.prepare()?;
        let deadline = tokio::time::Instant::now() + START_PATIENCE;
        loop {
            // Again each time: whoever had the lock may not listen yet, or may
            // have been a killed hub that will never listen.
            spawn_hub(workspace).await?;
            if let Some(client) = Self::try_connect(workspace).await {
                return Ok(Self { starts: true, ..client });
            }
            if tokio::time::Instant::now() > deadline {
                return Err(FaceError::new("the hub does not answer")
                    .help(format!("see {}", workspace.log().display())));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reaches the hub that runs, if one does.
    pub async fn try_connect(workspace: &Workspace) -> Option<Self> {
        let (rx, tx) = UnixStream::connect(workspace.socket()).await.ok()?.into_split();
        Some(Self {
            rx: BufReader::new(rx),
            tx,
            workspace: workspace.clone(),
            starts: false,
            unanswered: None,
        })
    }

    /// Says what is wanted.
    ///
    /// # Errors
    /// The socket's.
    pub async fn send(&mut self, request: Request) -> Result<(), FaceError> {
        let envelope = Envelope { version: VERSION.to_owned(), request };
        let request = serde_json::to_value(&envelope).map_err(ApiError::from)?;
        match write_line(&mut self.tx, &request).await {
            Err(error) if unread(&error) => self.repeat(&request).await,
            result => {
                result?;
                self.unanswered = Some(request);
                Ok(())
            }
        }
    }

    /// Says it once more, to the hub that takes the dead one's place.
    async fn repeat(&mut self, request: &Value) -> Result<(), FaceError> {
        *self = if self.starts {
            Self::start(&self.workspace).await?
        } else {
            Self::connect(&self.workspace).await?
        };
        Ok(write_line(&mut self.tx, request).await?)
    }

    /// The next reply.
    ///
    /// # Errors
    /// The socket's, or what the hub says.
    pub async fn next(&mut self) -> Result<Reply, FaceError> {
        let unanswered = self.unanswered.take();
        let reply = match (read_line(&mut self.rx).await, unanswered) {
            (Err(error), Some(request)) if unread(&error) => {
                self.repeat(&request).await?;
                read_line(&mut self.rx).await?
            }
            (reply, _) => reply?,
        };
        match reply {
            Reply::Failed(failure) => Err(failure.into()),
            reply => Ok(reply),
        }
    }

    /// Asks, and shows each progress until the result.
    ///
    /// # Errors
    /// The socket's, or what the hub says.
    pub async fn ask(
        mut self,
        request: Request,
        mut progress: impl FnMut(&Value),
    ) -> Result<Value, FaceError> {
        self.send(request).await?;
        loop {
            match self.next().await? {
                Reply::Progress(value) => progress(&value),
                Reply::Done(value) => return Ok(value),
                Reply::Raw | Reply::Failed(_) => return Err(ApiError::Ended.into()),
            }
        }
    }

    /// Ends everything, and returns when the hub's process is gone as well: who looks
    /// for what is left behind must not find it.
    ///
    /// # Errors
    /// The socket's, or what the hub says.
    pub async fn down(self) -> Result<Value, FaceError> {
        let hub = self.process(); // before it ends, while the number is still its own
        let ended = self.ask(Request::Down, |_| {}).await?;
        if let Some(hub) = hub {
            let _ = tokio::task::spawn_blocking(move || gone(&hub)).await; // else it ends later
        }
        Ok(ended)
    }

    /// The hub's process.
    fn process(&self) -> Option<OwnedFd> {
        let id = self.tx.as_ref().peer_cred().ok()?.pid()?;
        pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()
    }

    /// Asks for a stream to the agent.
    ///
    /// # Errors
    /// The socket's, or what the hub says.
    pub async fn raw(mut self, request: Request) -> Result<RawStream, FaceError> {
        self.send(request).await?;
        match self.next().await? {
            Reply::Raw => Ok((self.rx, self.tx)),
            _ => Err(ApiError::Ended.into()),
        }
    }
}

/// Waits for a process to end, if it does soon.
fn gone(process: &OwnedFd) {
    let patience = Timespec { tv_sec: END_PATIENCE_S, tv_nsec: 0 };
    let mut ended = [PollFd::new(process, PollFlags::IN)];
    let _ = poll(&mut ended, Some(&patience)); // what nobody saw ending is not waited for
}

/// Whether the hub surely did not begin: a Unix socket is reset, or refuses a
/// write, only if its other end went before it read what was sent. An ordinary
/// end proves nothing, so it is never followed by a repetition.
fn unread(error: &ApiError) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error, ApiError::Io(error) if matches!(error.kind(), ConnectionReset | BrokenPipe))
}

/// Starts a hub in the background and returns when it, or another one, has the
/// workspace.
async fn spawn_hub(workspace: &Workspace) -> Result<(), FaceError> {
    let log = workspace.log();
    let failed = |error: &std::io::Error| FaceError::tried("unable to start the hub", error);
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let stderr: File = crate::hub::log::append_to(&log).map_err(|error| failed(&error))?;
    let mut child = std::process::Command::new(program)
        .arg("hub") // first, so that a list of processes says what this is
        .arg("--workspace")
        .arg(&workspace.root)
        .current_dir("/") // a working directory keeps a file system from being unmounted
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| failed(&error))?;
    let mut stdout = child.stdout.take();
    let said = tokio::task::spawn_blocking(move || {
        let mut said = Vec::new();
        let mut byte = [0; 1];
        // Up to the first line's end: the hub keeps its standard output.
        while let Some(stdout) = &mut stdout
            && said.len() < 4096
            && matches!(stdout.read(&mut byte), Ok(1))
            && byte[0] != b'\n'
        {
            said.push(byte[0]);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let said = said.await.unwrap_or_default();
    match said.as_str() {
        READY => {
            // An editor's server may outlive it, and nobody else takes its end.
            std::thread::spawn(move || child.wait());
            Ok(())
        }
        LOCKED => {
            let _ = child.wait(); // it ends at once
            Ok(())
        }
        _ => {
            let status = child.wait().map(|status| status.to_string()).unwrap_or_default();
            let reason = if said.is_empty() { status } else { said };
            Err(FaceError::new(format!("the hub did not start: {reason}"))
                .help(format!("its log is {}", log.display())))
        }
    }
}
