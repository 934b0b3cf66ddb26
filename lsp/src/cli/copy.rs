//! `cp`: files in or out.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::ProgressBar;
use protocol::error::{ErrorCode, WireError};
use protocol::io::copy::{CopyError, Destination, Source, Summary};
use serde_json::json;

use super::flags::Global;
use super::output;
use crate::face::error::FaceError;
use crate::face::stream::{failure, open};
use crate::hub::api::Request;
use crate::remote::copy::{download, upload};
use crate::runtime::Workspace;

/// Copies one file or tree; one of the two paths is the target's.
///
/// # Errors
/// What to tell the user.
pub async fn cp(
    global: &Global,
    workspace: &Workspace,
    from: &str,
    to: &str,
) -> Result<u8, FaceError> {
    let bar = (!global.json && std::io::stderr().is_terminal()).then(|| {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    });
    let mut progress = |summary: &Summary| {
        if let Some(bar) = &bar {
            bar.set_message(told(summary));
        }
    };
    let result = match (from.strip_prefix(':'), to.strip_prefix(':')) {
        (None, Some(to)) => {
            let (rx, tx) = open(workspace, Request::CopyIn { path: to.to_owned() }).await?;
            let source = Source::find(PathBuf::from(from), from).map_err(|error| here(&error))?;
            upload(rx, tx, source, &mut progress).await
        }
        (Some(from), None) => {
            let (rx, tx) = open(workspace, Request::CopyOut { path: from.to_owned() }).await?;
            download(rx, tx, Destination::new(PathBuf::from(to), to), &mut progress).await
        }
        _ => {
            return Err(FaceError::usage("exactly one of the two paths has to be the target's")
                .help("write :PATH for a path of the target, as in `towline cp a.txt :/app/`"));
        }
    };
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let summary = result.map_err(|error| failed(from, to, &error))?;
    report(global, &summary);
    // Like cp: what could be copied is, and the rest is a failure.
    Ok(u8::from(summary.skipped_count > 0))
}

fn report(global: &Global, summary: &Summary) {
    if global.json {
        let skipped: Vec<_> = summary
            .skipped
            .iter()
            .map(|(path, reason)| json!({ "path": path, "reason": reason }))
            .collect();
        output::json_line(&json!({
            "schema": 1,
            "files": summary.files,
            "bytes": summary.bytes,
            "skipped": skipped,
            "skipped_count": summary.skipped_count,
        }));
        return;
    }
    for (path, reason) in &summary.skipped {
        output::note(&format!("not copied: {path}: {reason}"));
    }
    output::line(&told(summary));
}

fn told(summary: &Summary) -> String {
    let files = output::count(summary.files, "file");
    let skipped = match summary.skipped_count {
        0 => String::new(),
        count => format!(", {count} not copied"),
    };
    format!("{files}, {}{skipped}", output::bytes(summary.bytes))
}

/// What went wrong on this side of a copy.
fn here(error: &WireError) -> FaceError {
    let help = match error.code {
        ErrorCode::NotFound => "look where this directory is: a path here has no colon before it",
        ErrorCode::PermissionDenied => "change its rights (chmod, chown), or copy as its owner",
        ErrorCode::NoSpace => "make room here, or copy to another disk",
        _ => return failure(error).into(),
    };
    FaceError::from(failure(error)).help(help)
}

fn failed(from: &str, to: &str, error: &CopyError) -> FaceError {
    match error {
        CopyError::Here(error) => here(error),
        CopyError::There(error) => failure(error).into(),
        CopyError::Stream(_) => FaceError::tried(&format!("unable to copy {from} to {to}"), error)
            .help("look at `towline status`, then copy again"),
    }
}
