//! Suite: looking for a text in files of the target, as an editor does.

use std::fs;

use harness::editor::Editor;
use harness::sandbox::Sandbox;
use harness::tree;
use serde_json::{Value, json};

/// What was found, as `path:line:column`.
fn places(found: &Value) -> Vec<String> {
    let matches = found["matches"].as_array().expect("a list");
    let place = |hit: &Value| {
        let path = hit["path"].as_str().expect("a path");
        format!("{path}:{}:{}", hit["line"], hit["column"])
    };
    matches.iter().map(place).collect()
}

#[test]
fn a_text_is_found_in_files_of_the_target_that_are_not_synced() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.workspace().join("a"), "x").expect("a file");
    tree::write(&sandbox.there(), "etc/app.conf = one\\n𝄞é Port = 80\\n\netc/deep/er/b = port\\n");
    let binary = sandbox.there().join("etc/bin");
    fs::write(binary, b"port\0port").expect("a file");
    let mut editor = Editor::start(&sandbox);
    let target = format!("local:{}", sandbox.there().display());
    editor.run("towline.up", json!({ "target": target, "sync": [".:/app"] }));

    let found = editor.run("towline.file.search", json!({ "path": "/", "text": "port" }));
    assert_eq!(places(&found), ["/etc/app.conf:2:4", "/etc/deep/er/b:1:0"], "{found}");
    assert_eq!(found["matches"][0]["text"], "𝄞é Port = 80");
    assert_eq!(found["ended_early"], Value::Null);
    let case = json!({ "path": "/etc/", "text": "Port", "matchCase": true });
    assert_eq!(places(&editor.run("towline.file.search", case)), ["/etc/app.conf:2:4"]);
    let file = json!({ "path": "/etc/app.conf", "text": "one" });
    assert_eq!(places(&editor.run("towline.file.search", file)), ["/etc/app.conf:1:0"]);

    let many = sandbox.there().join("etc/many");
    fs::write(many, "line with it\n".repeat(1500)).expect("a file");
    let found = editor.run("towline.file.search", json!({ "path": "/etc", "text": "with it" }));
    assert_eq!(places(&found).len(), 1000);
    assert!(found["ended_early"].as_str().is_some_and(|why| why.contains("1000 lines")));

    for wrong in [json!({ "path": "/etc", "text": "" }), json!({ "path": "/gone", "text": "x" })] {
        let error = editor.try_run("towline.file.search", wrong).unwrap_err();
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 8), "{error}");
    }
    editor.run("towline.down", json!({}));
}
