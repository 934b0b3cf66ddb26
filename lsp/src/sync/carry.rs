//! Carries edits from one replica to the other: fetches what is missing,
//! applies, reports. Holds no state and decides nothing.

use std::sync::Arc;

use protocol::error::{ErrorCode, WireError};
use protocol::io::replica::{Edit, Fetched, Replica, ReplicaError};
use protocol::path::RelPath;
use protocol::sync::controller::{Carried, Report};
use protocol::sync::entry::{Entry, Op, Outcome};
use protocol::wire::stream::Priority;

/// The two ends of a carriage.
pub(super) struct Ends {
    pub(super) source: Arc<dyn Replica>,
    pub(super) target: Arc<dyn Replica>,
}

/// Applies a batch; a report for each of its edits.
pub(super) async fn batch(
    ends: Ends,
    edits: Vec<Carried>,
    priority: Priority,
) -> Vec<(RelPath, Report)> {
    let mut reports = Vec::with_capacity(edits.len());
    let wanted: Vec<_> = edits
        .iter()
        .filter(|edit| edit.body.is_none())
        .filter_map(|edit| Some((edit.op.path.clone(), edit.fetch.clone()?)))
        .collect();
    let mut fetched = if wanted.is_empty() {
        Vec::new()
    } else {
        match ends.source.fetch(wanted, priority).await {
            Ok(fetched) => fetched,
            Err(error) => {
                let report = source_report(error);
                return edits.into_iter().map(|edit| (edit.op.path, report.clone())).collect();
            }
        }
    }
    .into_iter();
    let mut ready = Vec::with_capacity(edits.len());
    for edit in edits {
        let Carried { op, mut body, fetch } = edit;
        if body.is_none() && fetch.is_some() {
            match fetched.next() {
                Some(Fetched::Body(content)) => body = Some(content),
                Some(Fetched::Changed) => {
                    reports.push((op.path, Report::SourceChanged));
                    continue;
                }
                Some(Fetched::Failed(error)) => {
                    reports.push((op.path, Report::SourceFailed(error)));
                    continue;
                }
                None => {
                    reports.push((op.path, Report::SourceFailed(too_few())));
                    continue;
                }
            }
        }
        ready.push(Edit { op, body });
    }
    if ready.is_empty() {
        return reports;
    }
    let paths: Vec<_> = ready.iter().map(|edit| edit.op.path.clone()).collect();
    match ends.target.apply(ready, priority).await {
        Ok(outcomes) => {
            let missing = std::iter::repeat_with(|| Outcome::Failed(too_few()));
            let outcomes = outcomes.into_iter().chain(missing).map(Report::Outcome);
            reports.extend(paths.into_iter().zip(outcomes));
        }
        Err(error) => {
            let report = target_report(error);
            reports.extend(paths.into_iter().map(|path| (path, report.clone())));
        }
    }
    reports
}

/// Carries one large file by delta.
pub(super) async fn transfer(ends: Ends, op: Op, source: Entry) -> (RelPath, Report) {
    let path = op.path.clone();
    let report = match deliver(ends, op, source).await {
        Ok(report) => report,
        Err(Failure::Source(error)) => source_report(error),
        Err(Failure::Target(error)) => target_report(error),
    };
    (path, report)
}

enum Failure {
    Source(ReplicaError),
    Target(ReplicaError),
}

async fn deliver(ends: Ends, op: Op, source: Entry) -> Result<Report, Failure> {
    let path = op.path.clone();
    let signature = match &op.base {
        Some(base @ Entry::File { size, .. }) if *size > 0 => {
            let signature = ends.target.signature(path.clone(), base.clone()).await;
            // None: the base is not there any more; the write will say what is.
            signature.map_err(Failure::Target)?.unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let delta = ends.source.read_delta(path, source, signature).await.map_err(Failure::Source)?;
    let Some(delta) = delta else { return Ok(Report::SourceChanged) };
    let outcome = ends.target.write_delta(op, delta).await.map_err(Failure::Target)?;
    Ok(Report::Outcome(outcome))
}

fn source_report(error: ReplicaError) -> Report {
    match error {
        ReplicaError::Unreachable => Report::Unreachable,
        ReplicaError::Refused(error) => Report::SourceFailed(error),
    }
}

fn target_report(error: ReplicaError) -> Report {
    match error {
        ReplicaError::Unreachable => Report::Unreachable,
        ReplicaError::Refused(error) => Report::Outcome(Outcome::Failed(error)),
    }
}

fn too_few() -> WireError {
    WireError::new(ErrorCode::BadRequest, "the replica answered fewer paths than were asked")
}
