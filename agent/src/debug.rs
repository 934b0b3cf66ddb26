//! Debuggers beside the app: which processes there are, which of them a debugger can be
//! attached to, and the sessions. A session starts an adapter next to its process and
//! carries DAP between it and the hub; when nobody is heard from any more it lets the
//! process go.
//!
//! [`look`] reads /proc, [`judge`] decides with [`languages`] as its table, [`adapter`]
//! starts what is to be started, [`session`] holds the process.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::{self, FrameError};
use protocol::limits::{CHUNK_LEN_MAX, PROCESSES_MAX, PROCESSES_PER_FRAME, REMOTE_FILE_MAX};
use protocol::wire::debug::{
    Attach, OpenDebug, OpenProcesses, OpenSource, ProcessEntry, ProcessList, SourceChunk,
};
use tokio_util::task::TaskTracker;

use crate::context::Context;
use crate::router::{accept, refuse};

mod adapter;
mod elf;
mod inject;
mod inspector;
mod judge;
mod languages;
mod look;
mod python;
mod session;
mod upload;

use judge::{Facts, Viewer};
pub use look::HELPER;

/// Debug sessions of one agent. Cheap to clone.
#[derive(Clone)]
pub struct Debuggers {
    context: Context,
    sessions: TaskTracker,
    /// Processes that are in somebody's hands: adapters take one editor only.
    held: Arc<Mutex<HashSet<u32>>>,
}

/// One process in somebody's hands.
struct Held {
    held: Arc<Mutex<HashSet<u32>>>,
    pid: u32,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid);
    }
}

impl Debuggers {
    /// None yet.
    pub fn new(context: Context) -> Self {
        Self { context, sessions: TaskTracker::new(), held: Arc::default() }
    }

    /// Lists processes.
    ///
    /// # Errors
    /// The stream's.
    pub async fn processes(
        &self,
        open: OpenProcesses,
        mut channel: Channel,
    ) -> Result<(), FrameError> {
        let context = self.context.clone();
        let listed = tokio::task::spawn_blocking(move || list(&context, open.all)).await;
        let Ok(listed) = listed else {
            let error = WireError::new(ErrorCode::Other, "unable to look at processes");
            return refuse(&mut channel, error).await;
        };
        accept(&mut channel).await?;
        let mut frames = listed.chunks(PROCESSES_PER_FRAME).peekable();
        if frames.peek().is_none() {
            let none = ProcessList { processes: Vec::new(), more: false };
            return framed::write(&mut channel.tx, &none).await;
        }
        while let Some(processes) = frames.next() {
            let more = frames.peek().is_some();
            let frame = ProcessList { processes: processes.to_vec(), more };
            framed::write(&mut channel.tx, &frame).await?;
        }
        Ok(())
    }

    /// Serves one debug session to its end, which is when its process is let go.
    ///
    /// # Errors
    /// The stream's.
    pub async fn debug(&self, open: OpenDebug, mut channel: Channel) -> Result<(), FrameError> {
        let Some(held) = self.hold(open.pid) else {
            let message = format!("process {} is being debugged already", open.pid);
            return refuse(&mut channel, WireError::new(ErrorCode::Stale, message)).await;
        };
        let context = self.context.clone();
        let asked = open.clone();
        let looked = tokio::task::spawn_blocking(move || checked(&context, &asked)).await;
        let looked = looked.unwrap_or_else(|error| Err(other(format!("unable to look: {error}"))));
        let prepared = match looked {
            Ok(facts) => adapter::start(&self.context, &facts, &open).await,
            Err(error) => Err(error),
        };
        match prepared {
            Ok(started) => {
                // Not cut short with the stream's task: the process has to be let go.
                let session = session::run(self.context.clone(), open, started, channel);
                let session = async move {
                    let _held = held;
                    session.await
                };
                match self.sessions.spawn(session).await {
                    Ok(done) => done,
                    Err(_) => Err(FrameError::Ended),
                }
            }
            Err(error) => refuse(&mut channel, error).await,
        }
    }

    fn hold(&self, pid: u32) -> Option<Held> {
        let free = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        free.then(|| Held { held: self.held.clone(), pid })
    }

    /// Takes an adapter that the hub brings.
    ///
    /// # Errors
    /// The stream's.
    pub async fn upload(
        &self,
        open: protocol::wire::debug::OpenUpload,
        channel: Channel,
    ) -> Result<(), FrameError> {
        upload::serve(&self.context, open, channel).await
    }

    /// Sends a source file as a process sees it.
    ///
    /// # Errors
    /// The stream's.
    pub async fn source(&self, open: OpenSource, mut channel: Channel) -> Result<(), FrameError> {
        let read = tokio::task::spawn_blocking(move || read_source(&open)).await;
        match read.unwrap_or_else(|error| Err(other(format!("unable to read: {error}")))) {
            Ok(text) => {
                accept(&mut channel).await?;
                let mut rest = text.as_slice();
                loop {
                    let (piece, left) = rest.split_at(rest.len().min(CHUNK_LEN_MAX));
                    let (bytes, more) = (piece.to_vec(), !left.is_empty());
                    framed::write(&mut channel.tx, &SourceChunk { bytes, more }).await?;
                    if !more {
                        return Ok(());
                    }
                    rest = left;
                }
            }
            Err(error) => refuse(&mut channel, error).await,
        }
    }

    /// Returns when every process that was held is let go. The context's end makes the
    /// sessions do so.
    pub async fn settled(&self) {
        self.sessions.close();
        self.sessions.wait().await;
    }
}

fn other(message: String) -> WireError {
    WireError::new(ErrorCode::Other, message)
}

fn list(context: &Context, all: bool) -> Vec<ProcessEntry> {
    let viewer = look::viewer();
    let seen = look::all(context);
    let mounts = target_mounts(context, &viewer);
    let entries = seen.iter().filter(|facts| all || is_targets(context, &mounts, facts));
    entries.take(PROCESSES_MAX).map(|facts| entry(&viewer, facts)).collect()
}

/// The mount namespace of the target.
fn target_mounts(context: &Context, viewer: &Viewer) -> String {
    let pid = context
        .root
        .strip_prefix("/proc")
        .ok()
        .and_then(|rest| rest.components().next()?.as_os_str().to_str()?.parse::<u32>().ok());
    let link = pid.and_then(|pid| fs::read_link(look::folder(pid).join("ns/mnt")).ok());
    link.map_or_else(|| viewer.mounts.clone(), |link| link.display().to_string())
}

/// Whether a process is one of the target's: of its container; for a directory of this
/// machine, one that this agent started, or that works or comes from below it.
fn is_targets(context: &Context, mounts: &str, facts: &Facts) -> bool {
    if context.is_beside() || context.root == std::path::Path::new("/") {
        return facts.mounts == mounts || facts.mounts.is_empty();
    }
    let below = |path: &str| std::path::Path::new(path).starts_with(&context.root);
    facts.ours || below(&facts.cwd) || facts.exe.as_deref().is_some_and(below)
}

fn entry(viewer: &Viewer, facts: &Facts) -> ProcessEntry {
    let language = judge::language(facts);
    ProcessEntry {
        pid: facts.pid,
        parent: facts.parent,
        argv: facts.argv.clone(),
        user: look::user(facts.pid, facts.uids[1]),
        language: language.id.to_owned(),
        runtime: judge::runtime(facts),
        ports: look::ports(facts.pid),
        attach: judge::attach(viewer, facts),
        name: judge::name(facts),
        supervised: facts.ours,
        adapters: adapter::found(language),
    }
}

fn checked(context: &Context, open: &OpenDebug) -> Result<Facts, WireError> {
    let Some(facts) = look::facts(context, open.pid) else {
        let message = format!("there is no process {}", open.pid);
        return Err(WireError::new(ErrorCode::NotFound, message));
    };
    let (code, reason) = match judge::attach(&look::viewer(), &facts) {
        Attach::Yes => return Ok(facts),
        Attach::Needs(reason) => (ErrorCode::PermissionDenied, format!("it needs {reason}")),
        Attach::NeedsRestart(reason) => {
            (ErrorCode::Unsupported, format!("it needs a restart: {reason}"))
        }
    };
    let name = judge::name(&facts);
    let message = format!("no debugger can be attached to {name} (process {}): {reason}", open.pid);
    Err(WireError::new(code, message))
}

fn read_source(open: &OpenSource) -> Result<Vec<u8>, WireError> {
    let tried = |error: &std::io::Error| {
        let mut wire = WireError::from(error);
        wire.message = format!("unable to read `{}` on the target: {error}", open.path);
        wire
    };
    let refused = |why: &str| {
        let message = format!("`{}` on the target {why}", open.path);
        WireError::new(ErrorCode::BadRequest, message)
    };
    let path = look::seen_by(open.pid, &open.path);
    // A pipe without a writer would be waited for.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(&path);
    let file = file.map_err(|error| tried(&error))?;
    let metadata = file.metadata().map_err(|error| tried(&error))?;
    if !metadata.is_file() {
        return Err(refused("is no file"));
    }
    let limit = REMOTE_FILE_MAX as u64;
    if metadata.len() > limit {
        return Err(refused(&format!("is over the limit of {limit} bytes")));
    }
    let mut text = Vec::new();
    file.take(limit).read_to_end(&mut text).map_err(|error| tried(&error))?;
    Ok(text)
}
