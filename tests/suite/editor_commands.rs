//! Suite: every command that the language server announces is used by some test, with
//! an answer that the test looks at. The list of uses is read from the tests themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::editor::{Editor, uri};
use harness::sandbox::Sandbox;
use serde_json::json;

/// What uses a command for what it does: `run(` and `try_run(` of a test's editor.
const CALL: &str = "run(";

/// Names of commands that are called in a text.
fn called(text: &str) -> impl Iterator<Item = &str> {
    text.split(CALL).skip(1).filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix('"')?;
        let name = rest.split('"').next()?;
        name.starts_with("towline.").then_some(name)
    })
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).expect("a source"));
        }
    }
}

#[test]
fn every_announced_command_is_used_by_a_test_and_no_other() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in ["suite", "cluster"] {
        sources(&tests.join(folder), &mut texts);
    }
    let used: BTreeSet<&str> = texts.iter().flat_map(|text| called(text)).collect();

    let sandbox = Sandbox::new();
    let mut editor = Editor::raw(&sandbox);
    let root = uri(&sandbox.workspace());
    let answer = editor.request("initialize", json!({ "rootUri": root, "capabilities": {} }));
    let answer = answer.expect("an answer");
    let announced = answer["capabilities"]["executeCommandProvider"]["commands"].as_array();
    let announced: BTreeSet<&str> =
        announced.expect("a list").iter().filter_map(|name| name.as_str()).collect();
    let unused: Vec<_> = announced.difference(&used).collect();
    assert!(unused.is_empty(), "no test uses {unused:?}");
    // One that is there to be refused.
    let unknown: Vec<_> =
        used.difference(&announced).filter(|name| **name != "towline.nonsense").collect();
    assert!(unknown.is_empty(), "not announced, but used: {unknown:?}");
}
