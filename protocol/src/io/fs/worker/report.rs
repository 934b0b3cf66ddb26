//! From what a look found to what is reported of it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::Worker;
use super::scan::Visit;
use crate::io::fs::dir;
use crate::io::fs::index::{Index, Known, Removed, What};
use crate::io::fs::look::{self, Found};
use crate::io::fs::rules::RULES_NAME;
use crate::io::fs::tree::Tree;
use crate::limits::SEEN_BODY_MAX;
use crate::path::RelPath;
use crate::sync::entry::{BEING_WRITTEN, IGNORED, Observation, agree};
use crate::sync::settle::Change;

/// What a change of the index has to be followed by.
#[derive(Default)]
struct Remembered {
    observations: Vec<Observation>,
    /// What was below was forgotten without a word.
    veiled: bool,
    /// The path was a problem and is none now.
    healed: bool,
}

impl Worker {
    /// Looks at one path and reports what changed.
    pub(super) fn look(&mut self, path: &RelPath) {
        if let Some((version, found)) = self.find(path) {
            self.commit(path, version, found, false);
        }
    }

    /// What is at a path, with the version of it that this was; none if its
    /// directory is the problem, which is reported by itself.
    pub(super) fn find(&mut self, path: &RelPath) -> Option<(u64, Found)> {
        if path.is_root() {
            self.check_root();
            return None;
        }
        let version = self.tree.guards.version(path);
        let found = match self.tree.root.parent(path) {
            Ok(parent) => look_beneath(&self.tree, path, &parent, SEEN_BODY_MAX),
            Err(error) => match Errno::from_io_error(&error)? {
                Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Found::Absent,
                _ => return None,
            },
        };
        Some((version, found))
    }

    /// Compares what was found with what was known, remembers and reports it.
    /// With `report` it is reported though nothing changed.
    pub(super) fn commit(&mut self, path: &RelPath, version: u64, found: Found, report: bool) {
        let (new, body) = match found {
            Found::Unstable => {
                self.settle(path.clone(), Change::Partial);
                if report {
                    self.vouch(path);
                }
                return;
            }
            Found::Absent => (None, None),
            Found::Held(known, body) => (Some(known), body),
        };
        let gone = new.is_none() && self.tree.index().holds(path);
        if gone && !self.check_root() {
            return;
        }
        let out = {
            let mut index = self.tree.index();
            if !self.tree.guards.is_current(path, version) {
                drop(index);
                self.settle(path.clone(), Change::Complete);
                if report {
                    self.vouch(path);
                }
                return;
            }
            let old = index.get(path).cloned();
            let parent_known = path.parent().is_some_and(|parent| index.dir(&parent).is_some());
            if old.is_none() && !parent_known {
                return; // the scan of its directory finds it
            }
            let out = remember(&mut index, path, old.as_ref(), new, body, report);
            if out.veiled {
                self.veiled.insert(path.clone());
            }
            if out.healed {
                self.rescan |= self.veiled.remove(path);
            }
            let unwatched = index.dir(path).is_some_and(|dir| dir.watch.is_none());
            if unwatched && !report {
                self.visits.push_back(Visit::new(path.clone()));
            }
            out.observations
        };
        let changed = !out.is_empty();
        for observation in out {
            self.send(observation);
        }
        if changed && self.tree.rules.evaluate && path.name() == RULES_NAME && !report {
            let directory = path.parent().unwrap_or_default();
            self.visits.push_back(Visit { deep: true, ..Visit::new(directory) });
        }
    }

    /// A scan must not pass over what it could not settle on: that would read as
    /// a deletion. The last known state is reported, or that there is something.
    pub(super) fn vouch(&mut self, path: &RelPath) {
        let observation = {
            let mut index = self.tree.index();
            let rev = index.step();
            match index.get(path).and_then(Known::entry) {
                Some(state) => {
                    Observation::Seen { rev, path: path.clone(), state: Some(state), body: None }
                }
                None => {
                    index.insert(path, Known::unsure());
                    Observation::Problem { path: path.clone(), problem: Some(BEING_WRITTEN.into()) }
                }
            }
        };
        self.send(observation);
    }
}

/// Brings the index up to date and says what is to be reported.
fn remember(
    index: &mut Index,
    path: &RelPath,
    old: Option<&Known>,
    new: Option<Known>,
    body: Option<Vec<u8>>,
    report: bool,
) -> Remembered {
    let mut out = Remembered::default();
    let was_problem = old.and_then(problem);
    let is_problem = new.as_ref().and_then(problem);
    let is_directory = new.as_ref().is_some_and(Known::is_directory);
    if index.dir(path).is_some() && !is_directory {
        let mut removed = Vec::new();
        index.remove(path, &mut removed);
        out.veiled = is_problem.is_some();
        if !out.veiled {
            removed.retain(|removed| removed.path != *path);
            for Removed { path, known } in removed {
                let rev = index.step();
                out.observations.push(absence(path, &known, rev));
            }
        }
    }
    let state = new.as_ref().and_then(Known::entry);
    let changed = !agree(old.and_then(Known::entry).as_ref(), state.as_ref());
    match new {
        Some(known) => index.insert(path, known),
        None => index.remove(path, &mut Vec::new()),
    }
    if was_problem.is_some() && is_problem.is_none() {
        out.observations.push(Observation::Problem { path: path.clone(), problem: None });
        out.healed = true;
    }
    if let Some(problem) = is_problem {
        if report || was_problem.as_deref() != Some(&*problem) {
            let problem = Some(problem);
            out.observations.push(Observation::Problem { path: path.clone(), problem });
        }
    } else if changed || (report && state.is_some()) {
        let rev = index.step();
        out.observations.push(Observation::Seen { rev, path: path.clone(), state, body });
    }
    out
}

/// Looks with the rules in mind: what is ignored is not read.
pub(super) fn look_beneath(
    tree: &Tree,
    path: &RelPath,
    parent: &OwnedFd,
    body_max: usize,
) -> Found {
    let Ok(stat) = dir::stat_at(parent, path.name()) else {
        return tree.look(path, parent.as_fd(), 0);
    };
    let is_directory = dir::kind(&stat) == rustix::fs::FileType::Directory;
    if tree.rules.ignores(&tree.index(), path, is_directory) {
        let stamp = look::stamp(&stat);
        return Found::Held(Known { stamp, racy: false, what: What::Ignored }, None);
    }
    tree.look(path, parent.as_fd(), body_max)
}

fn problem(known: &Known) -> Option<String> {
    match &known.what {
        What::Odd(why) => Some(why.to_string()),
        What::Ignored => Some(IGNORED.to_owned()),
        _ => None,
    }
}

fn absence(path: RelPath, known: &Known, rev: u64) -> Observation {
    if problem(known).is_some() {
        Observation::Problem { path, problem: None }
    } else {
        Observation::Seen { rev, path, state: None, body: None }
    }
}
