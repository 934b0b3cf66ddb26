//! What an editor feels of the language server: how soon it is there, how soon a
//! keystroke is taken in and a save is on the target, and what it costs while nobody
//! types.

use std::fs;
use std::time::{Duration, Instant};

use harness::editor::{Editor, uri};
use harness::sandbox::Sandbox;
use harness::{tree, wait};
use serde_json::json;

use crate::edit::visible;
use crate::table::{Table, Unit, quantile_ms};

const FILES: usize = 1_000;
const STARTS: usize = 20;
const KEYSTROKES: usize = 500;
const SAVES: usize = 200;
/// Nobody saves faster than this.
const BETWEEN_SAVES: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(10);

/// How long a tick of `/proc/PID/stat` is, in milliseconds: the kernel's `USER_HZ`.
const TICK_MS: u64 = 10;

pub fn bench(table: &mut Table) {
    let sandbox = Sandbox::new();
    tree::fill(&sandbox.workspace(), FILES, 2_000, 11);
    starts(table, &sandbox);
    let mut editor = Editor::start(&sandbox);
    let target = format!("local:{}", sandbox.there().display());
    editor.run("towline.up", json!({ "target": target, "sync": [".:/app"] }));
    keystrokes(table, &sandbox, &mut editor);
    saves(table, &sandbox, &mut editor);
    idle(table, &sandbox, &mut editor);
    editor.run("towline.down", json!({}));
}

fn starts(table: &mut Table, sandbox: &Sandbox) {
    let mut samples: Vec<Duration> = (0..STARTS)
        .map(|_| {
            let started = Instant::now();
            let editor = Editor::start(sandbox);
            let took = started.elapsed();
            editor.end();
            took
        })
        .collect();
    let p50 = quantile_ms(&mut samples, 0.5);
    table.goal("start of `towline lsp` to initialized, p50", p50, "≤ 50 ms", Unit::Millis);
}

/// A key typed into `towline.yaml` to the diagnostic that it makes or mends, and to the
/// hub's answer to a question behind it.
fn keystrokes(table: &mut Table, sandbox: &Sandbox, editor: &mut Editor) {
    let file = sandbox.workspace().join("towline.yaml");
    fs::write(&file, "strict_ports: true\n").expect("a file");
    editor.open(&file);
    let type_at_end = |editor: &mut Editor, version: usize| {
        let (from, to, text) = if version.is_multiple_of(2) { (18, 18, "e") } else { (18, 19, "") };
        let at = |character: usize| json!({ "line": 0, "character": character });
        let range = json!({ "start": at(from), "end": at(to) });
        editor.notify(
            "textDocument/didChange",
            json!({ "textDocument": { "uri": uri(&file), "version": version },
                    "contentChanges": [{ "range": range, "text": text }] }),
        );
    };
    let mut shown = Vec::new();
    for version in 2..KEYSTROKES + 2 {
        editor.told.clear();
        let started = Instant::now();
        type_at_end(editor, version);
        editor.until("the diagnostic", |editor| editor.diagnostics(&file));
        shown.push(started.elapsed());
    }
    two(table, "keystroke to its diagnostic", &mut shown, ["≤ 10 ms", "≤ 30 ms"]);
    let mut answered = Vec::new();
    for version in KEYSTROKES + 2..KEYSTROKES * 2 + 2 {
        editor.told.clear();
        let started = Instant::now();
        type_at_end(editor, version);
        editor.run("towline.forward.list", json!({}));
        answered.push(started.elapsed());
    }
    two(table, "keystroke to the hub and back", &mut answered, ["≤ 10 ms", "≤ 30 ms"]);
    fs::remove_file(&file).expect("it is there");
    editor.run("towline.sync.wait", json!({}));
}

fn saves(table: &mut Table, sandbox: &Sandbox, editor: &mut Editor) {
    let name = "d000/e00/f0.rs";
    let source = sandbox.workspace().join(name);
    let target = sandbox.there().join("app").join(name);
    editor.open(&source);
    let mut samples: Vec<Duration> = (0..SAVES)
        .map(|round| {
            wait::pass(BETWEEN_SAVES);
            let text = format!("// edit {round}\n{}", "x".repeat(1_000));
            visible(&target, &text, || {
                fs::write(&source, &text).expect("write");
                let document = json!({ "uri": uri(&source) });
                editor.notify("textDocument/didSave", json!({ "textDocument": document }));
            })
        })
        .collect();
    two(table, "didSave to visible on the target", &mut samples, ["≤ 2 ms", "≤ 10 ms"]);
}

fn idle(table: &mut Table, sandbox: &Sandbox, editor: &mut Editor) {
    editor.run("towline.sync.wait", json!({}));
    let processes = sandbox.leftovers();
    let count = processes.len();
    let used = || processes.iter().map(|(pid, _)| ticks(*pid)).sum::<u64>();
    let before = used();
    wait::pass(IDLE);
    let spent = (used() - before) * TICK_MS;
    let what = format!("CPU in {} s of idleness, all {count} processes", IDLE.as_secs());
    table.goal(&what, spent as f64, "0 ms", Unit::Millis);
}

/// What a process has used of the CPU so far.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let behind = stat.rsplit_once(')').expect("a name").1;
    let numbers: Vec<u64> =
        behind.split_whitespace().skip(11).take(2).filter_map(|text| text.parse().ok()).collect();
    numbers.iter().sum()
}

fn two(table: &mut Table, what: &str, samples: &mut [Duration], goals: [&str; 2]) {
    for (quantile, goal) in [0.5, 0.99].into_iter().zip(goals) {
        let value = quantile_ms(samples, quantile);
        let what = format!("{what}, p{:.0}", quantile * 100.0);
        table.goal(&what, value, goal, Unit::Millis);
    }
}
