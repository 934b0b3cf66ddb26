//! Ten thousand random messages to the language server: valid, stale, malformed, out of
//! order, oversized. It answers every request, keeps its memory, and lives.

use std::fs;

use harness::editor::{Editor, uri};
use harness::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::random::Random;

const MESSAGES: usize = 10_000;
const SEED: u64 = 7;
/// What a server that holds a few texts and one large one needs at most.
const RESIDENT_MAX_KIB: u64 = 192 * 1024;
const OVERSIZED: usize = 8 * 1024 * 1024;

const REQUESTS: [&str; 10] = [
    "textDocument/documentLink",
    "textDocument/codeAction",
    "textDocument/codeLens",
    "textDocument/completion",
    "textDocument/hover",
    "textDocument/definition",
    "workspace/executeCommand",
    "workspace/symbol",
    "initialize",
    "nonsense/request",
];
const COMMANDS: [&str; 8] = [
    "towline.status",
    "towline.sync.why",
    "towline.sync.list",
    "towline.forward.list",
    "towline.file.list",
    "towline.file.read",
    "towline.difference",
    "towline.nonsense",
];

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// Something of any shape.
fn garbage(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.next()),
        3 => json!(-1),
        4 => json!("\u{1d11e}\u{e9}\0"),
        5 => json!(1e300),
        6 => (0..random.below(4)).map(|_| garbage(random, depth - 1)).collect(),
        _ => json!({ "uri": garbage(random, depth - 1), "text": garbage(random, depth - 1) }),
    }
}

#[test]
fn ten_thousand_random_messages_are_survived_and_every_request_is_answered() {
    let seed = std::env::var("TOWLINE_EDITOR_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(SEED);
    println!("TOWLINE_EDITOR_SEED={seed}");
    let mut random = Random::new(seed);
    let sandbox = Sandbox::new();
    let names = ["towline.yaml", "a.py", "Dockerfile", "\u{e9}.txt"];
    for name in names {
        fs::write(sandbox.workspace().join(name), "target: x\n").expect("a file");
    }
    fs::remove_file(sandbox.workspace().join("towline.yaml")).expect("it is there");
    let mut editor = Editor::start(&sandbox);
    let target = format!("local:{}", sandbox.there().display());
    editor.run("towline.up", json!({ "target": target, "sync": [".:/app"] }));
    let file = |random: &mut Random| uri(&sandbox.workspace().join(names[random.below(4)]));
    let place = |random: &mut Random| {
        let far = [0, 1, 5, 70_000, u32::MAX][random.below(5)];
        let column = [0, 3, 9, u32::MAX][random.below(4)];
        json!({ "line": far, "character": column })
    };
    let mut begun = Vec::new();
    for _ in 0..MESSAGES {
        let document = json!({ "uri": file(&mut random), "version": random.below(9) });
        match random.below(20) {
            0..=2 => {
                let text = ["", "target: local:/\nsync:\n  - ", "\u{1d11e}\r\n\n"][random.below(3)];
                let mut document = document;
                document["text"] = json!(text);
                document["languageId"] = json!("yaml");
                editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
            }
            3..=7 => {
                // Never opened, closed, of an old version, far outside: as it comes.
                let range = json!({ "start": place(&mut random), "end": place(&mut random) });
                let text = ["x", "\n", "\u{1d11e}", "- from: .\n"][random.below(4)];
                let changes = json!([{ "range": range, "text": text }]);
                let params = json!({ "textDocument": document, "contentChanges": changes });
                editor.notify("textDocument/didChange", params);
            }
            8 => {
                editor.notify("textDocument/didClose", json!({ "textDocument": document }));
            }
            9 => editor.notify("textDocument/didSave", json!({ "textDocument": document })),
            10..=14 => {
                let method = REQUESTS[random.below(REQUESTS.len())];
                let command = COMMANDS[random.below(COMMANDS.len())];
                let at = place(&mut random);
                let params = json!({
                    "textDocument": document,
                    "position": at,
                    "range": { "start": at, "end": at },
                    "context": { "diagnostics": [] },
                    "command": command,
                    "arguments": [{ "path": file(&mut random) }],
                    "capabilities": {},
                    "query": "x",
                });
                begun.push(editor.begin(method, params));
            }
            15 => {
                let method = REQUESTS[random.below(REQUESTS.len())];
                let params = garbage(&mut random, 3);
                begun.push(editor.begin(method, params));
            }
            16 => {
                let params = garbage(&mut random, 3);
                editor.notify("textDocument/didChange", params);
            }
            17 => {
                let id = begun.last().copied().unwrap_or(0);
                editor.notify("$/cancelRequest", json!({ "id": id }));
            }
            18 => {
                // In its frame, but no message.
                let body = ["{", "[]", "null", "\"x\"", "{\"jsonrpc\":\"1.0\"}"][random.below(5)];
                let frame = format!("Content-Length: {}\r\n\r\n{body}", body.len());
                editor.write(frame.as_bytes());
            }
            _ => {
                let answer = json!({ "jsonrpc": "2.0", "id": random.below(99), "result": 1 });
                editor.send(&answer); // nobody asked
            }
        }
    }
    let mut document = json!({ "uri": file(&mut random), "version": 1, "languageId": "yaml" });
    document["text"] = json!("- x: y\n".repeat(OVERSIZED / 7));
    editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
    for id in &begun {
        let _ = editor.answer(*id); // whatever it is, as long as it comes
    }
    let status = editor.run("towline.status", json!({}));
    assert_eq!(status["readiness"]["state"], "ready");
    let resident = resident_kib(editor.pid());
    println!("{MESSAGES} messages, {} requests answered, {resident} KiB resident", begun.len());
    assert!(resident < RESIDENT_MAX_KIB, "{resident} KiB");
    editor.run("towline.down", json!({}));
    let log = fs::read_to_string(sandbox.path().join("lsp.log")).unwrap_or_default();
    assert!(!log.contains("panicked"), "{log}");
}
