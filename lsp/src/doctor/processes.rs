//! Processes of this user that an agent started, or that are one. Told by what
//! they carry: an agent's command line names its directory, and what it started
//! has the marker in its environment that the agent wrote down there.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The environment variable that marks what an agent starts.
const MARKER: &str = "TOWLINE_AGENT=";

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line, for people.
    pub command: String,
    /// Where it says it belongs: its marker and its command line.
    belongs: Vec<u8>,
}

impl Process {
    /// Whether it is the agent with this directory, or was started by it.
    pub fn is_of(&self, agent_dir: &Path) -> bool {
        let holds = |wanted: &[u8]| {
            !wanted.is_empty() && self.belongs.windows(wanted.len()).any(|part| part == wanted)
        };
        // A marker that is no marker must not match everything.
        let marker = std::fs::read_to_string(agent_dir.join("marker")).unwrap_or_default();
        let is_marker = marker.len() == 32 && marker.bytes().all(|byte| byte.is_ascii_hexdigit());
        holds(agent_dir.as_os_str().as_encoded_bytes()) || (is_marker && holds(marker.as_bytes()))
    }

    /// The directory that an agent's command line names.
    pub fn agent_dir(&self) -> Option<PathBuf> {
        let mut words = self.belongs.split(|byte| *byte == 0);
        words.find(|word| *word == b"--state-dir")?;
        Some(PathBuf::from(OsStr::from_bytes(words.next()?)))
    }

    /// Ends it, if it is still the process that was found.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&self) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // With the handle in hand the id cannot come to mean another process.
        if read(self.pid).is_none_or(|now| now.belongs != self.belongs) {
            return Ok(());
        }
        match pidfd_send_signal(&handle, Signal::KILL) {
            Ok(()) => wait_for_end(&handle),
            Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Every agent of this user, and everything one started.
pub fn marked() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(read)
        .collect()
}

/// The process, if it is marked. What cannot be read is another user's.
fn read(pid: i32) -> Option<Process> {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    if command.is_empty() {
        return None; // it has ended and waits for its parent
    }
    let marker = environment
        .split(|byte| *byte == 0)
        .find(|variable| variable.starts_with(MARKER.as_bytes()));
    let is_agent = command
        .split(|byte| *byte == 0)
        .next()
        .is_some_and(|program| program.ends_with(b"towline-agent"));
    if marker.is_none() && !is_agent {
        return None;
    }
    let mut belongs = if is_agent { command.clone() } else { Vec::new() };
    belongs.extend_from_slice(marker.unwrap_or_default());
    let words = command.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let command = words.collect::<Vec<_>>().join(" ").trim().chars().take(120).collect();
    Some(Process { pid, command, belongs })
}

/// A process that was killed still holds its ports and files until it has ended.
fn wait_for_end(handle: &impl std::os::fd::AsFd) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
    poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&patience))?;
    Ok(())
}
