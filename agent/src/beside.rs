//! The agent in an ephemeral container of an image that holds nothing but the agent:
//! the container's own command, the way in beside the container that is meant, and
//! the way out. Does what the hub's scripts do where there is a shell, and says the
//! same lines.
//!
//! | file | what |
//! |---|---|
//! | `/tmp/.towline-ID` | the agent's directory; the container lives as long as it |
//! | `/tmp/.towline-ID-end` | there was one, or there will be none |

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::io::process;
use protocol::limits::AGENT_GRACE;
use protocol::version::VERSION;

use crate::args::{Id, Settings, Wanted};
use crate::bootstrap::{self, AttachError};
use crate::null;
use crate::state_dir::StateDir;

/// What can be written to.
const BASE: &str = "/tmp";

/// How often the container's command looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// So often it looks for an agent that has not come yet.
const LOOKS_MAX: u32 = 120;

/// The longest list of a process's control groups.
const CGROUP_LEN_MAX: u64 = 64 * 1024;

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// The hub was told: this is another build than its own.
    #[error("this agent is of another version than the hub")]
    OtherVersion,
    /// The hub was told: the target's processes are another user's.
    #[error("the files of the target are out of reach")]
    OtherUser,
    /// An operation failed.
    #[error("unable to {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// There is no channel to the agent.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> BesideError {
    move |source| BesideError::Io { what, source }
}

/// Returns when the container has nothing to do any more: its agent has gone, or
/// none came.
#[expect(clippy::disallowed_methods, reason = "a directory's end wakes nobody in another process")]
pub fn hold(id: &Id) {
    let (home, end) = (home(id), end(id));
    let mut stay = Stay::default();
    while stay.goes_on(home.is_dir(), end.exists()) {
        std::thread::sleep(LOOK_EVERY);
    }
}

/// How a container's command decides whether to stay.
#[derive(Debug, Default)]
struct Stay {
    looks: u32,
    came: bool,
}

impl Stay {
    /// After another look: at the agent's directory, and at what tells that there
    /// was one, or will be none.
    fn goes_on(&mut self, home: bool, end: bool) -> bool {
        self.looks += 1;
        self.came |= home;
        home || !(self.came || end || self.looks > LOOKS_MAX)
    }
}

/// Joins standard input and output to the agent that serves the container beside
/// this one, and starts that agent if there is none.
///
/// # Errors
/// See [`BesideError`]; what the hub has to know, it was told by then.
pub fn beside(wanted: &Wanted) -> Result<(), BesideError> {
    let (home, end) = (home(&wanted.id), end(&wanted.id));
    let none = || File::create(&end).map(drop).map_err(failed("say that no agent comes"));
    let own = own_digest().map_err(failed("read this program"))?;
    if !is_wanted(wanted, VERSION, std::env::consts::ARCH, &own) {
        none()?;
        say(&format!("towline-version {VERSION} {own}"))?;
        return Err(BesideError::OtherVersion);
    }
    // Where a container sees no control groups but its own, it shares the processes
    // of one other container, whose first process is the first of all.
    let pid = pid_of(&wanted.run, processes()).unwrap_or(1);
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    if !root.join(".").is_dir() {
        none()?;
        let user = std::fs::metadata(format!("/proc/{pid}")).map(|meta| meta.uid());
        say(&format!("towline-user {}", user.map(|uid| uid.to_string()).unwrap_or_default()))?;
        return Err(BesideError::OtherUser);
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&home);
    made.map_err(failed("make the agent's directory"))?;
    none()?; // once this one is gone
    say("towline-ok")?;
    let state_dir = home.join("state");
    let settings = Settings { state_dir, root, grace: AGENT_GRACE, home: Some(home) };
    Ok(bootstrap::attach(&settings, true)?)
}

/// Ends the agent of a hub and what it started, and removes its directory.
///
/// # Errors
/// See [`BesideError`].
pub fn clear(id: &Id) -> Result<(), BesideError> {
    let home = home(id);
    if !home.is_dir() {
        return Ok(());
    }
    let marker = StateDir::create(&home.join("state")).ok().and_then(|dir| dir.marker());
    let inside = format!("{}/", home.display()).into_bytes();
    let is_ours = |process: &process::Process| {
        let names = process.command.windows(inside.len()).any(|part| part == inside);
        names || (marker.is_some() && process.marker() == marker.as_deref().map(str::as_bytes))
    };
    process::kill_all(is_ours).map_err(failed("end the agent"))?;
    std::fs::remove_dir_all(&home).map_err(failed("remove the agent's directory"))?;
    say(&format!("towline-removed {}", home.display()))
}

fn home(id: &Id) -> PathBuf {
    Path::new(BASE).join(format!(".towline-{id}"))
}

fn end(id: &Id) -> PathBuf {
    Path::new(BASE).join(format!(".towline-{id}-end"))
}

fn say(line: &str) -> Result<(), BesideError> {
    let mut stdout = io::stdout();
    let said = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    said.map_err(failed("speak to the hub"))
}

fn own_digest() -> io::Result<String> {
    Ok(protocol::io::digest(&std::fs::read(null::program()?)?))
}

/// Whether this build is the hub's. One for another kind of machine has another
/// digest, and the hub knows its own agent's alone.
fn is_wanted(wanted: &Wanted, version: &str, machine: &str, digest: &str) -> bool {
    wanted.digest == digest || (wanted.machine != machine && wanted.version == version)
}

/// The first process of the container whose id is `run`.
fn pid_of(run: &str, processes: impl Iterator<Item = (u32, String)>) -> Option<u32> {
    if run.is_empty() {
        return None;
    }
    processes.filter(|(_, groups)| groups.contains(run)).map(|(pid, _)| pid).min()
}

/// All processes here, each with its control groups.
fn processes() -> impl Iterator<Item = (u32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let mut groups = String::new();
        let file = File::open(entry.path().join("cgroup")).ok()?;
        file.take(CGROUP_LEN_MAX).read_to_string(&mut groups).ok()?;
        Some((pid, groups))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a container's command sees, one character a look (`.` nothing, `e` that
    /// none comes, `h` the directory, `b` both); the looks after which it stayed.
    #[track_caller]
    fn stays(seen: &str, looks: usize) {
        let mut stay = Stay::default();
        let went_on = seen
            .chars()
            .take_while(|now| stay.goes_on(matches!(now, 'h' | 'b'), matches!(now, 'e' | 'b')));
        assert_eq!(went_on.count(), looks, "{seen}");
    }

    #[test]
    fn a_container_lives_as_long_as_its_agent() {
        stays("..hhhh.", 6);
        stays("..bbb.h", 5);
        stays("..e", 2); // nobody comes, or has gone unseen
        stays(&".".repeat(200), 120);
        stays(&"b".repeat(200), 200);
    }

    #[test]
    fn the_targets_process_is_the_first_of_its_container() {
        let all = || {
            [(1, "0::/../pause"), (31, "0::/../cri-containerd-abc.scope"), (7, "0::/../abc")]
                .into_iter()
                .map(|(pid, groups)| (pid, groups.to_owned()))
        };
        assert_eq!(pid_of("abc", all()), Some(7));
        assert_eq!(pid_of("abd", all()), None);
        assert_eq!(pid_of("", all()), None, "an id that nobody said is in every group");
    }

    #[test]
    fn only_the_hubs_own_build_is_wanted() {
        let wanted = Wanted {
            id: "0f".parse().unwrap(),
            run: "abc".into(),
            version: "1.0.0".into(),
            machine: "x86_64".into(),
            digest: "d1".into(),
        };
        assert!(is_wanted(&wanted, "1.0.0", "x86_64", "d1"));
        assert!(!is_wanted(&wanted, "1.0.0", "x86_64", "d2"));
        assert!(is_wanted(&wanted, "1.0.0", "aarch64", "d2"));
        assert!(!is_wanted(&wanted, "1.0.1", "aarch64", "d2"));
    }
}
