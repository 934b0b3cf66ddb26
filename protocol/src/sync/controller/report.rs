//! What people are told: phase, counts, conflicts, problems, reasons.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::lane::{Lane, Place, index};
use super::{Controller, Unsyncable};
use crate::limits::SYNC_LISTED_MAX;
use crate::path::RelPath;
use crate::sync::entry::{Entry, Side, agree};
use crate::sync::merge::Verdict;

/// Where the sync is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// A side is not open.
    Waiting,
    /// A side is looking at its tree.
    Scanning {
        /// Entries seen so far.
        alpha: u64,
        /// Entries seen so far.
        beta: u64,
    },
    /// Edits are on their way.
    Applying,
    /// Everything is applied, or listed as a conflict or problem.
    Settled,
    /// The user paused it.
    Paused,
    /// A brake is engaged: what was not deleted, and why.
    Braked(String),
    /// A root is lost.
    Lost(Side, String),
}

/// Counts and lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Where it is.
    pub phase: Phase,
    /// Files both sides agree on.
    pub files: u64,
    /// Bytes both sides agree on.
    pub bytes: u64,
    /// Edits not applied yet.
    pub pending: u64,
    /// Bytes of them.
    pub pending_bytes: u64,
    /// Edits applied to alpha.
    pub applied_alpha: u64,
    /// Edits applied to beta.
    pub applied_beta: u64,
    /// Paths in conflict.
    pub conflicts: u64,
    /// Paths that cannot be synced or applied, the first ones.
    pub problems: Vec<(RelPath, String)>,
    /// How watching is degraded, per side.
    pub degraded: Vec<(Side, String)>,
}

/// A path both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictView {
    /// Where.
    pub path: RelPath,
    /// What alpha did, in words.
    pub alpha: String,
    /// What beta did, in words.
    pub beta: String,
    /// What alpha holds.
    pub alpha_entry: Option<Entry>,
    /// What beta holds.
    pub beta_entry: Option<Entry>,
}

impl Controller {
    /// Edits that wait, fly or are held.
    pub fn pending(&self) -> u64 {
        let loads = self.queues.iter().map(|queue| queue.load().0).sum::<u64>();
        let held = self.held.iter().map(|held| held.len() as u64).sum::<u64>();
        loads + held + self.dirty.len() as u64 + self.waiting_quietly()
    }

    /// Edits that are tried again soon without having failed: the source was
    /// changing, or a replica could not be reached.
    fn waiting_quietly(&self) -> u64 {
        let waits = |(at, path): &&(core::time::Duration, RelPath)| {
            let active = self.lanes.get(path).and_then(|lane| lane.active.as_ref());
            active.is_some_and(|active| {
                active.not_before() == Some(*at) && active.problem().is_none()
            })
        };
        self.retries.iter().filter(waits).count() as u64
    }

    /// Where it is.
    pub fn phase(&self) -> Phase {
        for side in [Side::Alpha, Side::Beta] {
            if let Some(reason) = &self.sides[index(side)].lost {
                return Phase::Lost(side, reason.clone());
            }
        }
        if self.paused {
            return Phase::Paused;
        }
        if let Some(reason) = self.brakes.iter().find_map(|brake| brake.engaged()) {
            return Phase::Braked(reason.to_string());
        }
        let [alpha, beta] = &self.sides;
        if !alpha.open || !beta.open {
            return Phase::Waiting;
        }
        if alpha.scanning || beta.scanning || !alpha.scanned || !beta.scanned {
            return Phase::Scanning { alpha: alpha.seen_in_scan, beta: beta.seen_in_scan };
        }
        if self.pending() > 0 { Phase::Applying } else { Phase::Settled }
    }

    /// Counts and lists for a status. Does not depend on the size of the tree.
    pub fn summary(&self) -> Summary {
        let failed = self.problems.iter().filter_map(|path| {
            let problem = self.lanes.get(path)?.active.as_ref()?.problem()?.to_string();
            Some((path.clone(), problem))
        });
        let unsyncable = self.sides.iter().flat_map(|side| &side.unsyncable);
        let unsyncable = unsyncable.filter_map(|(path, reason)| match reason {
            Unsyncable::Problem(problem) => Some((path.clone(), problem.to_string())),
            Unsyncable::Ignored | Unsyncable::BeingWritten => None,
        });
        let degraded = [Side::Alpha, Side::Beta]
            .into_iter()
            .filter_map(|side| Some((side, self.sides[index(side)].degraded.clone()?)));
        Summary {
            phase: self.phase(),
            files: self.totals.files,
            bytes: self.totals.bytes,
            pending: self.pending(),
            pending_bytes: self.queues.iter().map(|queue| queue.load().1).sum(),
            applied_alpha: self.totals.applied[index(Side::Alpha)],
            applied_beta: self.totals.applied[index(Side::Beta)],
            conflicts: self.conflicts.len() as u64,
            problems: failed.chain(unsyncable).take(SYNC_LISTED_MAX).collect(),
            degraded: degraded.collect(),
        }
    }

    /// How many scans of that side are complete or under way, as a pair that a
    /// barrier can compare: (scanning now, scanned at least once).
    pub fn scan_state(&self, side: Side) -> (bool, bool) {
        let side = &self.sides[index(side)];
        (side.scanning, side.scanned)
    }

    /// The id of the replica that side was agreed with.
    pub fn replica(&self, side: Side) -> Option<[u8; 16]> {
        self.sides[index(side)].replica
    }

    /// The open conflicts.
    pub fn conflicts(&self) -> impl Iterator<Item = ConflictView> + '_ {
        self.conflicts.iter().filter_map(|path| Some(view(path, self.lanes.get(path)?)))
    }

    /// What is decided for a path and why, in sentences.
    pub fn why(&self, path: &RelPath) -> Option<String> {
        for (side, name) in [(Side::Alpha, "here"), (Side::Beta, "on the target")] {
            let unsyncable = &self.sides[index(side)].unsyncable;
            let above = core::iter::successors(Some(path.clone()), RelPath::parent)
                .find_map(|at| Some((at.clone(), unsyncable.get(&at)?.clone())));
            match above {
                Some((_, Unsyncable::Ignored)) => {
                    return Some(format!("an ignore rule names it {name}"));
                }
                Some((at, Unsyncable::BeingWritten)) => {
                    return Some(format!("`{at}` waits {name} for its writer to close it"));
                }
                Some((at, Unsyncable::Problem(problem))) => {
                    return Some(format!("`{at}` cannot be synced {name}: {problem}"));
                }
                None => {}
            }
        }
        let lane = self.lanes.get(path)?;
        let unknown = [Side::Alpha, Side::Beta].into_iter().find(|side| !lane.known(*side));
        if let Some(side) = unknown {
            let side = side_name(side);
            return Some(format!("{side} has not been looked at since it was opened"));
        }
        let view = view(path, lane);
        let states = format!("locally {}, on the target {}", view.alpha, view.beta);
        let problem = lane.active.as_ref().and_then(|active| active.problem());
        if let Some(problem) = problem {
            return Some(format!("{states}; the last try failed: {problem}"));
        }
        let text = match lane.place() {
            Place::Flying(to, _) => format!("being applied {}", to_name(to)),
            Place::Queued(to, _) => format!("waits to be applied {}", to_name(to)),
            Place::Held(to) if self.brakes[index(to)].engaged().is_some() => {
                format!("the deletion {} is stopped by the brake", to_name(to))
            }
            Place::Held(to) => format!("the deletion {} is about to be carried", to_name(to)),
            Place::AwaitParent(to) => {
                format!("waits until its directory can be made {}", to_name(to))
            }
            Place::AwaitChildren => "waits until everything in it is gone".to_string(),
            Place::Conflict => "both sides changed it, so neither is touched".to_string(),
            Place::Dirty | Place::Idle => match self.wanted(path) {
                Some(Verdict::Agreed) => "in sync".to_string(),
                Some(Verdict::Leave) => "a one-way sync leaves it alone".to_string(),
                _ => "waits to be tried again".to_string(),
            },
        };
        Some(format!("{states}; {text}"))
    }
}

fn view(path: &RelPath, lane: &Lane) -> ConflictView {
    let ancestor = |side| lane.ancestor.as_ref().map(|ancestor| ancestor.on(side).into_owned());
    let words = |side| describe(ancestor(side).as_ref(), lane.state(side).as_ref());
    ConflictView {
        path: path.clone(),
        alpha: words(Side::Alpha),
        beta: words(Side::Beta),
        alpha_entry: lane.state(Side::Alpha),
        beta_entry: lane.state(Side::Beta),
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Alpha => "the local folder",
        Side::Beta => "the target's folder",
    }
}

fn to_name(side: Side) -> &'static str {
    match side {
        Side::Alpha => "here",
        Side::Beta => "on the target",
    }
}

/// What one side did, in words: `edited`, `deleted`, `made a directory`.
fn describe(ancestor: Option<&Entry>, state: Option<&Entry>) -> String {
    if agree(ancestor, state) {
        return if state.is_some() { "unchanged" } else { "absent" }.to_string();
    }
    match (ancestor, state) {
        (Some(Entry::File { digest, .. }), Some(Entry::File { digest: now, .. })) => {
            if digest == now { "made another mode" } else { "edited" }.to_string()
        }
        (Some(Entry::Directory { .. }), Some(Entry::Directory { .. })) => {
            "made another mode".into()
        }
        (_, None) => "deleted".to_string(),
        (None, Some(Entry::File { size, .. })) => format!("created ({size} bytes)"),
        (Some(_), Some(Entry::File { .. })) => "made a file".to_string(),
        (_, Some(Entry::Directory { .. })) => "made a directory".to_string(),
        (_, Some(Entry::Symlink { target })) => {
            format!("made a link to {}", crate::path::shown(target))
        }
    }
}
