//! This user's processes on this machine, found by their command lines and
//! environments: what an agent started bears its marker. Knows nothing of why
//! one is looked for.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, getpid, pidfd_open, pidfd_send_signal};

/// The environment variable that marks what an agent starts. Its value is 32 hex
/// digits: the agent's process id and a random number.
pub const MARKER: &str = "TOWLINE_AGENT";

/// Hex digits of the process id in a marker.
const MARKER_PID_LEN: usize = 8;

/// How long a process may show neither a command line nor an environment
/// because it is becoming another program; far longer than that takes.
const EXEC_PATIENCE: Duration = Duration::from_millis(200);

/// The same for an environment alone: some are started with none.
const ENVIRONMENT_PATIENCE: Duration = Duration::from_millis(2);

/// Ended processes may just have started others; so often it is looked again.
const ROUNDS_MAX: usize = 20;

/// How long one that was killed may take to end. It waits in the kernel only for
/// what cannot be interrupted, a disk or a dead network file system.
const END_PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A marker for what this process starts.
///
/// # Errors
/// When the system has no randomness.
pub fn new_marker() -> io::Result<String> {
    let mut random = [0; 12];
    super::random(&mut random)?;
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{:08x}{random}", std::process::id()))
}

/// Whether it is one: anything else must not be taken for every process's.
pub fn is_marker(text: &[u8]) -> bool {
    text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit)
}

/// A process as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id, for people; [`kill_all`] makes sure that it still means this one.
    pub pid: i32,
    /// Its command line, words ended by NUL.
    pub command: Vec<u8>,
    /// Its environment as it began, variables ended by NUL.
    pub environment: Vec<u8>,
}

impl Process {
    /// The words of its command line.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        let whole = self.command.strip_suffix(&[0]).unwrap_or(&self.command);
        whole.split(|byte| *byte == 0)
    }

    /// The marker of the agent that started it.
    pub fn marker(&self) -> Option<&[u8]> {
        self.variable(MARKER)
    }

    /// Whether an agent started it that has ended since.
    pub fn is_orphan(&self) -> bool {
        let Some(marker) = self.marker().filter(|marker| is_marker(marker)) else { return false };
        let digits = std::str::from_utf8(&marker[..MARKER_PID_LEN]).unwrap_or_default();
        // An id in another container means another process there.
        i32::from_str_radix(digits, 16).is_ok_and(|agent| {
            self.is_in_own_namespace() && !Path::new(&format!("/proc/{agent}")).exists()
        })
    }

    fn is_in_own_namespace(&self) -> bool {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        of("self").is_some_and(|own| of(&self.pid.to_string()) == Some(own))
    }

    /// A variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        self.environment.split(|byte| *byte == 0).find_map(|variable| {
            variable.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
        })
    }

    /// Looks at one. `None` when it ended, or is none of this user's.
    pub fn look(pid: i32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        if std::fs::metadata(&folder).ok()?.uid() != geteuid().as_raw() {
            return None;
        }
        let began = Instant::now();
        let mut last = None;
        loop {
            let command = std::fs::read(folder.join("cmdline")).ok()?;
            let environment = std::fs::read(folder.join("environ")).ok()?;
            let patience = match (command.is_empty(), environment.is_empty()) {
                (true, true) => EXEC_PATIENCE,
                (false, true) => ENVIRONMENT_PATIENCE,
                (_, false) => Duration::ZERO,
            };
            let now = Self { pid, command, environment };
            // What is read while a process becomes another program is cut short
            // anywhere: it counts when it is the same twice. The kernel's own and
            // those that ended have no program.
            let settled = last.as_ref() == Some(&now) && began.elapsed() >= patience;
            let late = began.elapsed() >= EXEC_PATIENCE;
            if settled || late || folder.join("exe").read_link().is_err() {
                let is_one = !now.command.is_empty() || !now.environment.is_empty();
                return is_one.then_some(now);
            }
            last = Some(now);
            std::thread::yield_now();
        }
    }

    /// Ends it if it still is wanted. True when it is gone.
    fn kill(&self, wanted: impl Fn(&Self) -> bool) -> io::Result<bool> {
        let Some(handle) = self.handle()? else { return Ok(true) };
        // With the handle in hand the id cannot come to mean another process.
        if !Self::look(self.pid).is_some_and(|now| wanted(&now)) {
            return Ok(true);
        }
        match pidfd_send_signal(&handle, Signal::KILL) {
            Ok(()) => {}
            Err(rustix::io::Errno::SRCH) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        // Until it has ended it still holds its ports and files.
        Ok(poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&END_PATIENCE))? > 0)
    }

    fn handle(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Ok(Some(handle)),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Every process of this user that `wanted` knows, but for this one.
pub fn find(wanted: impl Fn(&Process) -> bool) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != getpid().as_raw_nonzero().get())
        .filter_map(Process::look)
        .filter(wanted)
        .collect()
}

/// Ends all that `wanted` knows, and what they start meanwhile. Returns how many
/// there were.
///
/// # Errors
/// When one stays, or others come without end.
pub fn kill_all(wanted: impl Fn(&Process) -> bool) -> io::Result<usize> {
    let mut killed = 0;
    for _ in 0..ROUNDS_MAX {
        let found = find(&wanted);
        if found.is_empty() {
            return Ok(killed);
        }
        for process in &found {
            if !process.kill(&wanted)? {
                let message = format!("process {} does not end though it was killed", process.pid);
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
        }
        killed += found.len();
    }
    Err(io::Error::other("each process that was ended had started another one"))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn start(marker: &str) -> Child {
        Command::new("sleep").arg("1000").env(MARKER, marker).spawn().unwrap()
    }

    fn bears(marker: &str) -> impl Fn(&Process) -> bool {
        move |process| process.marker() == Some(marker.as_bytes())
    }

    #[test]
    fn only_what_bears_the_marker_is_ended() {
        let id = std::process::id();
        let (ours, other) = (format!("test-{id}"), format!("test-{id}-other"));
        let (mut marked, mut unmarked) = (start(&ours), start(&other));
        let found = find(bears(&ours));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].words().collect::<Vec<_>>(), [&b"sleep"[..], b"1000"]);
        assert_eq!(kill_all(bears(&ours)).unwrap(), 1);
        assert!(!marked.wait().unwrap().success());
        assert!(unmarked.try_wait().unwrap().is_none());
        unmarked.kill().unwrap();
        unmarked.wait().unwrap();
    }

    #[test]
    fn what_a_dead_agent_started_is_an_orphan() {
        let is_orphan = |marker: &str| {
            let mut child = start(marker);
            let orphan = find(bears(marker))[0].is_orphan();
            child.kill().unwrap();
            child.wait().unwrap();
            orphan
        };
        assert!(!is_orphan(&new_marker().unwrap()), "this process lives");
        assert!(is_orphan("7fffffff0123456789abcdef01234567"), "no process has this id");
        assert!(!is_orphan("7fffffff"), "no marker");
    }

    #[test]
    fn one_that_becomes_another_program_again_and_again_is_ended() {
        let marker = format!("test-{}-exec", std::process::id());
        const AGAIN: &str = r#"[ $1 = 0 ] && exec sleep 1000; exec sh -c "$2" sh $(($1 - 1)) "$2""#;
        for _ in 0..20 {
            let mut child = Command::new("sh")
                .args(["-c", AGAIN, "sh", "300", AGAIN])
                .env(MARKER, &marker)
                .spawn()
                .unwrap();
            kill_all(bears(&marker)).unwrap();
            let ended = child.try_wait().unwrap().is_some();
            child.kill().unwrap(); // whatever comes: nothing may stay
            assert!(ended, "it was missed while it changed");
        }
    }
}
