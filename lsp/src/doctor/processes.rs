//! Which processes are of one agent: its command line names its directory, and
//! what it started bears the marker that it wrote down there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use protocol::io::process::{self, Process};

/// The name of the agent's program.
const PROGRAM: &[u8] = b"towline-agent";

/// The agent of one directory, with all that it started.
pub struct Agent {
    dir: PathBuf,
    marker: Option<Vec<u8>>,
}

impl Agent {
    /// The one of this directory. Its marker is read now: it goes with the
    /// directory.
    pub fn of(dir: PathBuf) -> Self {
        let marker = std::fs::read(dir.join("marker")).ok();
        // A marker that is no marker must not match everything.
        let marker =
            marker.filter(|text| text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit));
        Self { dir, marker }
    }

    /// Whether the process is it, or was started by it.
    pub fn owns(&self, process: &Process) -> bool {
        dir(process).is_some_and(|dir| dir == self.dir)
            || (self.marker.is_some() && process.marker() == self.marker.as_deref())
    }
}

/// All agents of this user and all that any agent started.
pub fn all() -> Vec<Process> {
    process::find(|process| process.marker().is_some() || dir(process).is_some())
}

/// The directory that an agent's command line names.
pub fn dir(process: &Process) -> Option<&Path> {
    if !process.words().next()?.ends_with(PROGRAM) {
        return None;
    }
    let mut words = process.words().skip_while(|word| *word != b"--state-dir");
    words.nth(1).map(|dir| Path::new(OsStr::from_bytes(dir)))
}
