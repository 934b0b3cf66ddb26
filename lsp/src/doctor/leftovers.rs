//! What dead hubs, agents and demos left on this machine.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use protocol::io::process::{self, Process};

use super::processes::{self, Agent};
use crate::cluster::list;
use crate::cluster::workload::Workload;
use crate::demo::sandbox::{LOCK, PREFIX};
use crate::hub::persist;
use crate::runtime::{Dirs, Workspace, try_lock};
use crate::target::Target;

/// The directory in a sync's root that holds its replica id and trash.
const STORE: &str = ".towline";

/// As much of a command line as is shown, in characters.
const COMMAND_SHOWN: usize = 120;

/// All of one dead thing.
pub struct Leftover {
    what: String,
    processes: Vec<Process>,
    of: Of,
    paths: Vec<PathBuf>,
    /// Where its processes may still make something until they are ended.
    candidates: Vec<PathBuf>,
    /// What it has in a cluster: where, and under which id.
    remote: Option<(Workload, String)>,
    /// Proves it dead; its own file goes last.
    lock: Option<Lock>,
}

/// Whose processes it has.
enum Of {
    /// The agent's of this directory.
    Agent(PathBuf),
    /// Those of agents that ended and whose directories are gone. What these agents
    /// left is not meant: their hubs live, or it is a leftover of its own.
    Nobody(Vec<Agent>),
    /// It has none.
    None,
}

/// A lock that nobody else holds. Looking makes its file, so that goes again.
struct Lock {
    path: PathBuf,
    was_there: bool,
    _held: File,
}

/// Finds all of them.
pub fn find(dirs: &Dirs) -> Vec<Leftover> {
    let processes = processes::all();
    let (mut living, mut dead, mut agents) = (BTreeSet::new(), Vec::new(), Vec::new());
    for id in ids(dirs, &processes) {
        let workspace = Workspace::known(dirs, &id);
        agents.push(Agent::of(workspace.agent_dir()));
        match Lock::take(workspace.lock()) {
            Some(lock) => dead.push((workspace, lock)),
            None => living.extend(stores(&workspace)),
        }
    }
    let mut leftovers: Vec<_> = dead
        .into_iter()
        .map(|(workspace, lock)| of_workspace(&workspace, lock, &processes, &living))
        .collect();
    leftovers.extend(demos());
    leftovers.extend(orphans(&processes, agents));
    leftovers
}

impl Leftover {
    /// Removes it: processes first, its lock last.
    ///
    /// # Errors
    /// The first failure; the rest was tried.
    pub fn remove(self) -> io::Result<()> {
        let mut result = Ok(());
        let mut note = |outcome: io::Result<()>| {
            if let (Ok(()), Err(error)) = (&result, outcome) {
                result = Err(error);
            }
        };
        match self.of {
            Of::Agent(dir) => {
                // Twice: one that was just starting has written its marker since.
                for _ in 0..2 {
                    let agent = Agent::of(dir.clone());
                    note(process::kill_all(|process| agent.owns(process)).map(drop));
                }
            }
            Of::Nobody(others) => {
                note(process::kill_all(|process| is_nobodys(process, &others)).map(drop));
            }
            Of::None => {}
        }
        if let Some((workload, id)) = &self.remote {
            remove_remote(workload, id)?; // the id would be lost with the files
        }
        self.paths.iter().chain(&self.candidates).for_each(|path| note(remove(path)));
        if let Some(lock) = self.lock {
            note(remove(&lock.path));
        }
        result
    }
}

impl Lock {
    fn take(path: PathBuf) -> Option<Self> {
        let was_there = path.exists();
        // One that is held is a life; one that cannot be had is not ours.
        let held = try_lock(&path).ok()??;
        Some(Self { path, was_there, _held: held })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.was_there {
            let _ = std::fs::remove_file(&self.path); // removed with all the rest
        }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for process in &self.processes {
            let words: Vec<_> = process.words().map(String::from_utf8_lossy).collect();
            let command: String = words.join(" ").chars().take(COMMAND_SHOWN).collect();
            write!(f, "\n   process {}: {command}", process.pid)?;
        }
        for path in &self.paths {
            write!(f, "\n   {}", path.display())?;
        }
        if let Some((workload, id)) = &self.remote {
            write!(f, "\n   the agent {id} in {workload}, unless it has gone by itself")?;
        }
        Ok(())
    }
}

/// Every workspace that left a trace: a file, or an agent, whose files an earlier
/// look may have removed while it was starting.
fn ids(dirs: &Dirs, processes: &[Process]) -> BTreeSet<String> {
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let mut ids = BTreeSet::new();
    for name in names(&dirs.runtime) {
        ids.extend(name.strip_suffix(".sock").map(str::to_owned));
        ids.extend(name.strip_suffix(".lock").map(str::to_owned));
    }
    ids.extend(names(&dirs.state));
    let agents = processes.iter().filter_map(processes::dir);
    let states = agents.filter_map(|dir| dir.strip_prefix(&dirs.state).ok()?.iter().next());
    ids.extend(states.filter_map(|id| Some(id.to_str()?.to_owned())));
    ids.retain(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    ids
}

/// What a dead hub's workspace left. `living` are the stores that hubs use now.
fn of_workspace(
    workspace: &Workspace,
    lock: Lock,
    processes: &[Process],
    living: &BTreeSet<PathBuf>,
) -> Leftover {
    let persisted = persist::load(workspace).ok().flatten();
    let what = match &persisted {
        Some(persisted) => format!(
            "{} was up and its hub is gone (any towline command there brings it back instead)",
            persisted.workspace
        ),
        None => format!("files of a workspace {} whose hub is gone", workspace.id),
    };
    let target = persisted.map(|persisted| persisted.settings.target);
    let remote = match (target, workspace.known_remote_id()) {
        (Some(Target::Workload(workload)), Some(id)) => Some((workload, id)),
        _ => None,
    };
    let mut paths = stores(workspace);
    paths.retain(|path| !living.contains(path));
    paths.push(workspace.socket());
    paths.push(workspace.state_dir());
    let candidates = paths.clone();
    paths.retain(|path| path.symlink_metadata().is_ok());
    let agent_dir = workspace.agent_dir();
    let agent = Agent::of(agent_dir.clone());
    let processes = processes.iter().filter(|process| agent.owns(process)).cloned().collect();
    let of = Of::Agent(agent_dir);
    Leftover { what, processes, of, paths, candidates, remote, lock: Some(lock) }
}

/// What dead agents left whose directories are gone, but for what `others` left.
fn orphans(processes: &[Process], others: Vec<Agent>) -> Option<Leftover> {
    let orphans = processes.iter().filter(|process| is_nobodys(process, &others));
    let orphans: Vec<_> = orphans.cloned().collect();
    (!orphans.is_empty()).then(|| Leftover {
        what: "processes that an agent started which has ended".to_owned(),
        processes: orphans,
        of: Of::Nobody(others),
        paths: Vec::new(),
        candidates: Vec::new(),
        remote: None,
        lock: None,
    })
}

fn is_nobodys(process: &Process, others: &[Agent]) -> bool {
    process.is_orphan() && !others.iter().any(|agent| agent.owns(process))
}

/// Where the syncs of a workspace keep replica ids and trash.
fn stores(workspace: &Workspace) -> Vec<PathBuf> {
    let Ok(Some(persisted)) = persist::load(workspace) else { return Vec::new() };
    let target = &persisted.settings.target;
    let roots = persisted
        .settings
        .syncs
        .iter()
        .flat_map(|sync| [Some(sync.from.clone()), target.locate(&sync.to)])
        .flatten();
    roots.map(|root| root.join(STORE)).collect()
}

fn demos() -> Vec<Leftover> {
    let own = rustix::process::getuid().as_raw();
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|path| {
            use std::os::unix::fs::MetadataExt;
            path.symlink_metadata().is_ok_and(|data| data.is_dir() && data.uid() == own)
        })
        .filter_map(|path| {
            let lock = Lock::take(path.join(LOCK))?;
            let what = "a demo that is over".to_owned();
            let (processes, candidates) = (Vec::new(), Vec::new());
            let (paths, lock) = (vec![path], Some(lock));
            Some(Leftover { what, processes, of: Of::None, paths, candidates, remote: None, lock })
        })
        .collect()
}

/// Needs a tokio runtime that may be blocked here.
fn remove_remote(workload: &Workload, id: &str) -> io::Result<()> {
    let removing = list::remove(workload, id);
    let removed = tokio::runtime::Handle::current().block_on(removing);
    removed.map(drop).map_err(|error| io::Error::other(error.to_string()))
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
