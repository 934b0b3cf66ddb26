//! `towline-agent attach`: joins this process's standard input and output to the
//! agent of a state directory, and starts that agent if asked. Hands the
//! descriptors over and then only waits, so not a byte is copied here.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use protocol::io::unix;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::accept::HANDED;
use crate::args::Settings;
use crate::null;
use crate::serve::READY;
use crate::state_dir::{StateDir, StateDirError};

/// The longest complaint of an agent that did not start.
const COMPLAINT_MAX: u64 = 4096;

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Nobody listens and nobody was to be started.
    #[error("no agent lives in {path:?}")]
    NoAgent {
        /// Where.
        path: PathBuf,
        /// Why connecting failed.
        #[source]
        source: io::Error,
    },
    /// It was started and gave up.
    #[error("the agent did not start: {complaint}")]
    NotStarted {
        /// In its own words.
        complaint: String,
    },
    /// No directory.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// An operation failed.
    #[error("unable to {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> AttachError {
    move |source| AttachError::Io { what, source }
}

/// Attaches, and returns when the agent lets go of the channel.
///
/// # Errors
/// See [`AttachError`].
pub fn attach(settings: &Settings, start: bool) -> Result<(), AttachError> {
    let mut stream = if start { find_or_start(settings)? } else { find(settings)? };
    hand_over(&stream).map_err(failed("hand the channel to the agent"))?;
    // nothing is ever said here: its end is all there is to read
    let _ = stream.read(&mut [0]);
    Ok(())
}

fn find(settings: &Settings) -> Result<UnixStream, AttachError> {
    let path = settings.state_dir.join("agent.sock");
    unix::connect(&path)
        .map_err(|source| AttachError::NoAgent { path: settings.state_dir.clone(), source })
}

fn find_or_start(settings: &Settings) -> Result<UnixStream, AttachError> {
    let dir = StateDir::create(&settings.state_dir)?;
    let _turn = dir.lock_start()?; // two at once find one agent
    if let Ok(stream) = find(settings) {
        return Ok(stream);
    }
    let program = null::program().map_err(failed("find this program"))?;
    let null = || null::null().map_err(failed("open /dev/null"));
    let mut serve = Command::new(program);
    serve.arg("serve");
    if let Some(home) = &settings.home {
        serve.arg("--home").arg(home);
    }
    let mut agent = serve
        .arg("--state-dir")
        .arg(&settings.state_dir)
        .arg("--root")
        .arg(&settings.root)
        .arg("--grace-ms")
        .arg(settings.grace.as_millis().to_string())
        .stdin(null()?)
        .stdout(Stdio::piped())
        .stderr(null()?)
        .spawn()
        .map_err(failed("start the agent"))?;
    let mut said = String::new();
    if let Some(stdout) = agent.stdout.take() {
        // it closes its output once it is ready
        let _ = stdout.take(COMPLAINT_MAX).read_to_string(&mut said);
    }
    if said.trim_end() != READY {
        let complaint = if said.is_empty() { "it said nothing".into() } else { said };
        return Err(AttachError::NotStarted { complaint: complaint.trim_end().to_owned() });
    }
    find(settings)
}

fn hand_over(stream: &UnixStream) -> io::Result<()> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let fds = [stdin.as_fd(), stdout.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("two descriptors do not fit")); // the space is for two
    }
    sendmsg(stream, &[IoSlice::new(&[HANDED])], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
