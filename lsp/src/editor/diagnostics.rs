//! What the editor underlines: conflicts at the lines that differ, what cannot be synced,
//! mistakes in `towline.yaml`, and what hooks and the app told of. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lsp_types::{Diagnostic, DiagnosticSeverity, NumberOrString, Position, Range, Url};
use similar::{DiffTag, TextDiff};

use super::documents::{Documents, Encoding, column, lines_range};
use super::facts::{Conflict, Facts, uri_of};
use super::problems::{Level, Problem};
use super::references::{self, Named, Reference};
use super::{hosts, live};
use crate::runtime::CONFIG_NAME;

/// Places that differ which are shown of one conflict; a person reads no more.
const HUNKS_MAX: usize = 50;

/// Lines that are compared; beyond them a conflict is shown at its file as a whole.
const LINES_MAX: usize = 20_000;

/// Who says so.
const SOURCE: &str = "towline";

/// What stands in `code`, for [`super::actions`].
pub mod code {
    /// Both sides changed it.
    pub const CONFLICT: &str = "conflict";
    /// It cannot be synced.
    pub const UNSYNCED: &str = "unsynced";
    /// A mistake in `towline.yaml`.
    pub const CONFIG: &str = "config";
    /// The cluster does not have it.
    pub const CLUSTER: &str = "cluster";
    /// The local port is another one than was wanted.
    pub const PORT: &str = "port";
    /// A hook told of it.
    pub const HOOK: &str = "hook";
    /// The app's log tells of it.
    pub const TRACE: &str = "trace";
}

/// All of them, by file.
pub fn all(facts: &Facts, documents: &Documents) -> BTreeMap<Url, Vec<Diagnostic>> {
    let mut found: BTreeMap<Url, Vec<Diagnostic>> = BTreeMap::new();
    for conflict in &facts.conflicts {
        found.entry(conflict.uri.clone()).or_default().extend(of_conflict(conflict, documents));
    }
    for sync in &facts.status.syncs {
        for (path, why) in &sync.problems {
            let file = Path::new(&sync.alpha).join(path);
            let Some(uri) = uri_of(&file) else { continue };
            let message = format!("not synced: {why}");
            let level = DiagnosticSeverity::WARNING;
            found.entry(uri).or_default().push(at_top(message, level, code::UNSYNCED));
        }
    }
    if let Some((line, column, message)) = &facts.config_error
        && let Some(uri) = uri_of(&facts.root.join(CONFIG_NAME))
    {
        let start = Position { line: before(*line), character: before(*column) };
        let text = documents.get(&uri).map(|document| document.text.as_str()).unwrap_or_default();
        let line = start.line as usize;
        let end = lines_range(text, line, line + 1, documents.encoding).end;
        let range = Range { start, end: end.max(start) };
        let level = DiagnosticSeverity::ERROR;
        found.entry(uri).or_default().push(plain(range, message.clone(), level, code::CONFIG));
    }
    if let Some(text) = &facts.config
        && let Some(uri) = uri_of(&facts.root.join(CONFIG_NAME))
    {
        let hints = of_config(text, facts, documents.encoding);
        if !hints.is_empty() {
            found.entry(uri).or_default().extend(hints);
        }
    }
    for problem in &facts.problems {
        let Some(uri) = locate(problem, facts).and_then(|path| uri_of(&path)) else { continue };
        let diagnostic = of_problem(problem);
        let list = found.entry(uri).or_default();
        if !list.contains(&diagnostic) {
            list.push(diagnostic);
        }
    }
    found
}

/// What the live status and the cluster say of the file's words.
fn of_config(text: &str, facts: &Facts, encoding: Encoding) -> Vec<Diagnostic> {
    let named = references::all(text);
    let range = |at: &Reference| {
        let line = text.lines().nth(at.line).unwrap_or_default();
        let number = u32::try_from(at.line).unwrap_or(u32::MAX);
        let place = |byte| Position { line: number, character: column(line, byte, encoding) };
        Range { start: place(at.start), end: place(at.end) }
    };
    let missing = live::missing(&named, facts);
    let missing = missing
        .into_iter()
        .map(|(at, why)| plain(range(at), why, DiagnosticSeverity::HINT, code::CLUSTER));
    let moved = named.iter().filter_map(|at| {
        let Named::Forward(spec) = &at.named else { return None };
        let forward = hosts::written(facts, spec)?;
        let (wanted, local) = (forward.instead_of?, forward.local.first()?);
        let message = format!("local port {wanted} is taken; {} is at {local}", forward.remote);
        Some(plain(range(at), message, DiagnosticSeverity::INFORMATION, code::PORT))
    });
    missing.chain(moved).collect()
}

fn of_conflict(conflict: &Conflict, documents: &Documents) -> Vec<Diagnostic> {
    let message =
        format!("in conflict: {} here, {} on the target", conflict.local, conflict.target);
    let level = DiagnosticSeverity::ERROR;
    let open = documents.get(&conflict.uri).map(|document| document.text.as_str());
    let (Some(ours), Some(theirs)) = (open.or(conflict.ours.as_deref()), &conflict.theirs) else {
        return vec![at_top(message, level, code::CONFLICT)];
    };
    if ours.lines().count().max(theirs.lines().count()) > LINES_MAX {
        return vec![at_top(message, level, code::CONFLICT)];
    }
    let diff = TextDiff::from_lines(ours, theirs.as_str());
    let hunks = diff.ops().iter().filter(|op| op.tag() != DiffTag::Equal).take(HUNKS_MAX);
    let mut found: Vec<Diagnostic> = hunks
        .map(|op| {
            let (old, new) = (op.old_range(), op.new_range());
            let theirs: String =
                new.clone().map(|at| diff.new_slice(at).unwrap_or_default()).collect();
            let what = match op.tag() {
                DiffTag::Insert => format!("the target has {} more lines here", new.len()),
                DiffTag::Delete => "the target does not have this".to_owned(),
                _ => format!("the target has: {}", shortened(&theirs)),
            };
            let range = lines_range(ours, old.start, old.end, documents.encoding);
            plain(range, format!("{message}; {what}"), level, code::CONFLICT)
        })
        .collect();
    if found.is_empty() {
        found.push(at_top(message, level, code::CONFLICT)); // the same text by now
    }
    found
}

fn shortened(text: &str) -> String {
    const LEN_MAX: usize = 200;
    let text = text.trim_end();
    match text.char_indices().nth(LEN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn of_problem(problem: &Problem) -> Diagnostic {
    let line = before(u64::from(problem.line));
    let column = problem.column.map_or(0, |column| before(u64::from(column)));
    let start = Position { line, character: column };
    // To the line's end, wherever that is: clients clip it.
    let range = Range { start, end: Position { line: line + 1, character: 0 } };
    let (level, code) = match problem.level {
        Level::Error => (DiagnosticSeverity::ERROR, code::HOOK),
        Level::Warning => (DiagnosticSeverity::WARNING, code::HOOK),
        Level::Trace => (DiagnosticSeverity::HINT, code::TRACE),
    };
    plain(range, problem.message.clone(), level, code)
}

/// The local file that a problem is in, if it is one of ours.
fn locate(problem: &Problem, facts: &Facts) -> Option<PathBuf> {
    let path = Path::new(&problem.path);
    if path.is_absolute() {
        return facts
            .local_of(&problem.path)
            .or_else(|| path.starts_with(&facts.root).then(|| path.to_owned()));
    }
    let roots = facts.status.syncs.iter().map(|sync| PathBuf::from(&sync.alpha));
    // Java's and Kotlin's files are known from their package's folder on.
    let folders: &[&str] = if problem.is_suffix {
        &["", "src", "src/main/java", "src/main/kotlin", "src/test/java", "app/src/main/java"]
    } else {
        &[""]
    };
    let candidates = roots
        .flat_map(|root| folders.iter().map(move |folder| root.join(folder)).collect::<Vec<_>>());
    candidates.map(|folder| folder.join(path)).find(|file| file.is_file())
}

fn at_top(message: String, level: DiagnosticSeverity, code: &str) -> Diagnostic {
    plain(Range::default(), message, level, code)
}

fn plain(range: Range, message: String, level: DiagnosticSeverity, code: &str) -> Diagnostic {
    Diagnostic {
        range,
        severity: Some(level),
        code: Some(NumberOrString::String(code.to_owned())),
        source: Some(SOURCE.to_owned()),
        message,
        ..Diagnostic::default()
    }
}

/// A number from 1, from 0.
fn before(number: u64) -> u32 {
    u32::try_from(number.saturating_sub(1)).unwrap_or(u32::MAX - 1).min(u32::MAX - 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(ours: Option<&str>, theirs: Option<&str>) -> Facts {
        let mut facts = Facts::default();
        facts.told(Some(json!({
            "readiness": { "state": "ready" },
            "syncs": [{ "name": "app", "alpha": "/w", "beta": "/app",
                        "problems": [["pipe", "a pipe cannot be synced"]] }],
        })));
        facts.conflicts.push(Conflict {
            sync: "app".into(),
            path: "a".into(),
            local: "edited".into(),
            target: "edited".into(),
            uri: "file:///w/a".parse().unwrap(),
            remote: "/app/a".into(),
            ours: ours.map(str::to_owned),
            theirs: theirs.map(str::to_owned),
        });
        facts
    }

    fn lines(facts: &Facts, documents: &Documents) -> Vec<(u32, u32)> {
        let all = all(facts, documents);
        let of_file = &all[&"file:///w/a".parse().unwrap()];
        of_file.iter().map(|found| (found.range.start.line, found.range.end.line)).collect()
    }

    #[test]
    fn a_conflict_is_shown_at_the_lines_that_differ() {
        let mut documents = Documents::default();
        let differ = facts(Some("1\n2\n3\n4\n5\n"), Some("1\nzwei\n3\n4\nfünf\n"));
        assert_eq!(lines(&differ, &documents), [(1, 1), (4, 4)]);
        assert_eq!(lines(&facts(None, None), &documents), [(0, 0)]);
        assert_eq!(lines(&facts(Some("x"), Some("x")), &documents), [(0, 0)]);
        // What is open is what counts.
        documents.open("file:///w/a".parse().unwrap(), 1, "1\nzwei\n3\n4\n5\n".into());
        assert_eq!(lines(&differ, &documents), [(4, 4)]);
    }

    #[test]
    fn what_is_not_synced_is_shown_at_its_file() {
        let all = all(&facts(None, None), &Documents::default());
        let pipe = &all[&"file:///w/pipe".parse().unwrap()][0];
        assert_eq!(pipe.message, "not synced: a pipe cannot be synced");
    }
}
