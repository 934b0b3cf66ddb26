//! What can be done about what is under the cursor. Pure.

use std::collections::HashMap;

use lsp_types::{
    CodeAction, CodeActionContext, CodeActionKind, CodeActionOrCommand, Command, Diagnostic,
    NumberOrString, Position, Range, TextEdit, Url, WorkspaceEdit,
};
use serde_json::{Value, json};

use super::diagnostics::code;
use super::documents::{Documents, column};
use super::facts::Facts;
use super::hosts;
use super::references::{self, Named};
use super::session::path_of;
use crate::ports::ForwardSpec;
use crate::runtime::CONFIG_NAME;

/// The actions for a place in a file with its diagnostics.
pub fn at(uri: &Url, context: &CodeActionContext, facts: &Facts) -> Vec<CodeActionOrCommand> {
    let mut actions = Vec::new();
    let is = |diagnostic: &&Diagnostic, code: &str| matches!(&diagnostic.code, Some(NumberOrString::String(known)) if known == code);
    let find = |code: &str| context.diagnostics.iter().find(|diagnostic| is(diagnostic, code));
    if let Some(conflict) = facts.conflict_at(uri) {
        let reason = find(code::CONFLICT);
        for (title, keep) in [
            ("Keep mine, on both sides", "local"),
            ("Keep the target's, on both sides", "target"),
            ("Keep both: the target's beside mine", "both"),
        ] {
            let argument = json!({ "name": conflict.sync, "path": conflict.path, "keep": keep });
            actions.push(fix(title, "towline.sync.resolve", argument, reason));
        }
        actions.push(fix("Show the difference", "towline.diff", json!({ "path": uri }), reason));
    }
    if let Some(reason) = find(code::UNSYNCED) {
        let argument = json!({ "path": uri });
        actions.push(fix("Never sync this path", "towline.sync.ignore", argument, Some(reason)));
    }
    for code in [code::TRACE, code::HOOK] {
        if let Some(reason) = find(code) {
            actions.push(fix("Show the app's output", "towline.logs", json!({}), Some(reason)));
            if facts.status.app.is_some() {
                actions.push(fix("Restart the app", "towline.restart", json!({}), Some(reason)));
            }
        }
    }
    let Some(path) = path_of(uri) else { return actions };
    if path == facts.root.join(CONFIG_NAME) {
        if !facts.is_up() {
            actions.push(plain("Connect as this file says", "towline.up", json!({})));
        } else {
            let argument = json!({ "replace": true });
            actions.push(plain("Apply this file to what is up", "towline.up", argument));
            // Editors without views of ours have no other place for these.
            actions.push(plain("Show how everything is", "towline.status", json!({})));
            if facts.status.app.is_some() {
                actions.push(plain("Show the app's output", "towline.logs", json!({})));
                actions.push(plain("Restart the app", "towline.restart", json!({})));
            }
            actions.push(plain("Disconnect: end everything", "towline.down", json!({})));
        }
    }
    if facts.is_up() && facts.synced(&path).is_some() {
        let argument = json!({ "path": uri });
        actions.push(plain("Bring back what a sync displaced here", "towline.sync.undo", argument));
        if find(code::UNSYNCED).is_none() {
            let argument = json!({ "path": uri });
            actions.push(plain("Never sync this path", "towline.sync.ignore", argument));
        }
    }
    actions
}

/// Other local ports for those that `towline.yaml` names at a place.
pub fn ports(
    uri: &Url,
    range: Range,
    context: &CodeActionContext,
    facts: &Facts,
    documents: &Documents,
) -> Vec<CodeActionOrCommand> {
    let is_config = path_of(uri).is_some_and(|path| path == facts.root.join(CONFIG_NAME));
    let Some(document) = documents.get(uri).filter(|_| is_config) else { return Vec::new() };
    let line = document.text.lines().nth(range.start.line as usize).unwrap_or_default();
    let place = |byte| Position {
        line: range.start.line,
        character: column(line, byte, documents.encoding),
    };
    let mut actions = Vec::new();
    for at in references::of_line(&document.text, range.start.line as usize) {
        let Named::Forward(text) = &at.named else { continue };
        let own = Range { start: place(at.start), end: place(at.end) };
        let is_there = range.start <= own.end && own.start <= range.end;
        let Some(spec) = text.parse::<ForwardSpec>().ok().filter(|_| is_there) else { continue };
        let is_about =
            |it: &&Diagnostic| it.range == own && it.source.as_deref() == Some("towline");
        let reason = context.diagnostics.iter().find(is_about).cloned();
        let open = hosts::written(facts, text).filter(|open| open.instead_of.is_some());
        let free = open.and_then(|open| open.local.first()?.rsplit_once(':')?.1.parse().ok());
        let (title, local) = match free {
            Some(port) => (format!("Write local port {port}, which it has now"), port),
            None => ("Pick any free local port".to_owned(), 0),
        };
        if spec.local == local {
            continue;
        }
        let spec = ForwardSpec { local, ..spec };
        let is_quoted = line[..at.start].ends_with(['"', '\'']);
        let new_text = if is_quoted { spec.to_string() } else { format!("\"{spec}\"") };
        let edit = TextEdit { range: own, new_text };
        let changes = HashMap::from([(uri.clone(), vec![edit])]);
        actions.push(CodeActionOrCommand::CodeAction(CodeAction {
            title,
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: reason.map(|reason| vec![reason]),
            edit: Some(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }),
            ..CodeAction::default()
        }));
    }
    actions
}

/// A command with its one argument.
pub fn command(title: &str, name: &str, argument: Value) -> Command {
    Command { title: title.to_owned(), command: name.to_owned(), arguments: Some(vec![argument]) }
}

fn plain(title: &str, name: &str, argument: Value) -> CodeActionOrCommand {
    CodeActionOrCommand::CodeAction(CodeAction {
        title: title.to_owned(),
        command: Some(command(title, name, argument)),
        ..CodeAction::default()
    })
}

fn fix(
    title: &str,
    name: &str,
    argument: Value,
    reason: Option<&Diagnostic>,
) -> CodeActionOrCommand {
    CodeActionOrCommand::CodeAction(CodeAction {
        title: title.to_owned(),
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: reason.map(|reason| vec![reason.clone()]),
        command: Some(command(title, name, argument)),
        ..CodeAction::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_written_as_it_is_now_and_any_other_can_be_left_open() {
        let mut facts = Facts { root: "/w".into(), ..Facts::default() };
        facts.told(Some(json!({
            "readiness": { "state": "ready" },
            "forwards": [{ "spec": "8080", "local": ["127.0.0.1:8081"],
                           "remote": "localhost:8080", "instead_of": 8080 }],
        })));
        let uri: Url = "file:///w/towline.yaml".parse().unwrap();
        let mut documents = Documents::default();
        let text = "forward: [8080, \"é.net:1\", 0:5]\n".to_owned();
        documents.open(uri.clone(), 1, text);
        let check = |character, expected: &[(&str, &str)]| {
            let at = Position { line: 0, character };
            let range = Range { start: at, end: at };
            let context = CodeActionContext::default();
            let found = ports(&uri, range, &context, &facts, &documents);
            let found: Vec<_> = found
                .iter()
                .map(|action| {
                    let CodeActionOrCommand::CodeAction(action) = action else { panic!() };
                    let changes = action.edit.as_ref().unwrap().changes.as_ref().unwrap();
                    (action.title.as_str(), changes[&uri][0].new_text.as_str())
                })
                .collect();
            assert_eq!(found, expected, "{character}");
        };
        check(11, &[("Write local port 8081, which it has now", "\"8081:8080\"")]);
        check(18, &[("Pick any free local port", "0:é.net:1")]);
        check(28, &[]);
        check(0, &[]);
    }
}
