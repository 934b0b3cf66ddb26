//! What can be done about what is under the cursor. Pure.

use lsp_types::{
    CodeAction, CodeActionContext, CodeActionKind, CodeActionOrCommand, Command, Diagnostic,
    NumberOrString, Url,
};
use serde_json::{Value, json};

use super::diagnostics::code;
use super::facts::Facts;
use super::session::path_of;
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
