//! `towline doctor`: looks for usual causes of trouble and for what dead hubs,
//! agents and demos left. Removes, when asked to, exactly what it named; nothing
//! of a living hub.

mod checks;
mod leftovers;
mod processes;

use serde::Serialize;
use serde_json::json;

use crate::cli::flags::Global;
use crate::cli::output;
use crate::face::error::FaceError;
use crate::runtime::Dirs;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but could be better.
    Warning,
    /// It does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What: `agent`, `inotify`.
    pub what: &'static str,
    /// How it is.
    pub level: Level,
    /// In words.
    pub text: String,
    /// What to do.
    pub help: Option<String>,
}

/// Looks, and with `fix` removes leftovers. True when nothing is wrong now.
///
/// # Errors
/// When our own directories cannot be used.
pub fn run(global: &Global, fix: bool) -> Result<bool, FaceError> {
    let dirs = Dirs::of_user()?;
    let findings = checks::all(&dirs);
    let leftovers = leftovers::find(&dirs);
    let mut well = findings.iter().all(|finding| finding.level != Level::Problem);
    let mut told = Vec::new();
    for finding in &findings {
        if !global.json {
            print_finding(finding);
        }
    }
    for leftover in leftovers {
        let text = leftover.to_string();
        let outcome = if fix { Some(leftover.remove()) } else { None };
        let state = match &outcome {
            None => "left",
            Some(Ok(())) => "removed",
            Some(Err(_)) => "failed",
        };
        well &= matches!(outcome, Some(Ok(())));
        let error = outcome.and_then(Result::err).map(|error| error.to_string());
        if !global.json {
            print_leftover(state, &text, error.as_deref());
        }
        told.push(json!({ "what": text, "state": state, "error": error }));
    }
    if global.json {
        output::json_line(&json!({
            "schema": 1,
            "ok": well,
            "findings": findings,
            "leftovers": told,
        }));
    } else if told.is_empty() {
        output::line(&format!("{} no leftovers", output::style("ok", "32")));
    } else if !fix {
        output::note("`towline doctor --fix` removes these leftovers, and nothing else");
    }
    Ok(well)
}

fn print_finding(finding: &Finding) {
    let word = match finding.level {
        Level::Ok => output::style("ok", "32"),
        Level::Warning => output::style("warning", "1;33"),
        Level::Problem => output::style("problem", "1;31"),
    };
    output::line(&format!("{word} {}: {}", finding.what, finding.text));
    if let Some(help) = &finding.help {
        output::line(&format!("   {help}"));
    }
}

fn print_leftover(state: &str, text: &str, error: Option<&str>) {
    match error {
        Some(error) => {
            output::line(&format!("{} {text}: {error}", output::style("failed", "1;31")));
        }
        None => output::line(&format!("{} {text}", output::style(state, "1;33"))),
    }
}
