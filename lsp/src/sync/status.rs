//! The controller's summary in the words of faces.

use std::collections::VecDeque;

use protocol::sync::controller::{ConflictView, Phase, Summary};
use protocol::sync::entry::Side;

use super::{Conflict, RecentEdit, SyncPhase, SyncSpec, SyncStatus};

/// Before anything is known.
pub(super) fn initial(spec: &SyncSpec) -> SyncStatus {
    SyncStatus {
        name: spec.name.clone(),
        alpha: spec.alpha.display().to_string(),
        beta: spec.beta.clone(),
        ..SyncStatus::default()
    }
}

/// What is known now. `halted` tells of a side that cannot be opened.
pub(super) fn current(
    spec: &SyncSpec,
    summary: Summary,
    halted: Option<&str>,
    recent: &VecDeque<RecentEdit>,
) -> SyncStatus {
    let degraded = summary.degraded.into_iter().map(|(side, reason)| match side {
        Side::Alpha => format!("here: {reason}"),
        Side::Beta => format!("on the target: {reason}"),
    });
    let problems = summary.problems.into_iter().map(|(path, why)| (path.to_string(), why));
    SyncStatus {
        phase: phase(summary.phase, halted),
        files: summary.files,
        bytes: summary.bytes,
        pending: summary.pending,
        pending_bytes: summary.pending_bytes,
        applied_beta: summary.applied_beta,
        applied_alpha: summary.applied_alpha,
        conflicts: summary.conflicts,
        problems: problems.collect(),
        degraded: degraded.collect(),
        recent: recent.iter().cloned().collect(),
        ..initial(spec)
    }
}

fn phase(phase: Phase, halted: Option<&str>) -> SyncPhase {
    match (phase, halted) {
        (Phase::Paused, _) => SyncPhase::Paused,
        (Phase::Lost(side, reason), _) => SyncPhase::Halted { reason: lost(side, &reason) },
        (_, Some(reason)) => SyncPhase::Halted { reason: reason.to_owned() },
        (Phase::Braked(reason), None) => SyncPhase::Braked {
            reason: format!(
                "Stopped for safety: {reason}. `towline sync resume` with `--delete` deletes \
                 them, with `--restore` puts them back."
            ),
        },
        (Phase::Waiting, None) => SyncPhase::Waiting,
        (Phase::Scanning { alpha, beta }, None) => SyncPhase::Scanning { alpha, beta },
        (Phase::Applying, None) => SyncPhase::Applying,
        (Phase::Settled, None) => SyncPhase::InSync,
    }
}

/// A root that is lost, as a sentence.
pub(super) fn lost(side: Side, reason: &str) -> String {
    let root = match side {
        Side::Alpha => "The local folder",
        Side::Beta => "The target's folder",
    };
    format!(
        "{root} cannot be used: {reason}. Nothing was deleted; the sync goes on by itself once \
         the folder is back."
    )
}

/// Another tree stands where the local root was.
pub(super) fn replaced() -> String {
    "The local folder was lost, and another one stands in its place. Nothing was changed; the \
     sync goes on when the old folder is back, or with `towline sync resume`."
        .to_owned()
}

/// One conflict for faces.
pub(super) fn conflict(view: ConflictView) -> Conflict {
    Conflict { path: view.path.to_string(), alpha: view.alpha, beta: view.beta }
}
