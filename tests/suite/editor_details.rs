//! Suite: what commands of the language server answer in odd cases, and the traces of
//! all the languages.

use std::fs;

use harness::editor::{Editor, uri};
use harness::sandbox::Sandbox;
use harness::{tree, wait};
use serde_json::{Value, json};

fn up(sandbox: &Sandbox, editor: &mut Editor) -> Value {
    let target = format!("local:{}", sandbox.there().display());
    editor.run("towline.up", json!({ "target": target, "sync": [".:/app"] }))
}

#[test]
fn a_path_is_told_as_it_is_synced_and_a_missing_one_by_its_code() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "d/a = one");
    let mut editor = Editor::start(&sandbox);
    up(&sandbox, &mut editor);
    let file = sandbox.workspace().join("d/a");
    for asked in [uri(&file), file.display().to_string(), "./d//a".to_owned()] {
        let why = editor.run("towline.sync.why", json!({ "path": asked }));
        assert_eq!(why["path"], "d/a", "{asked}");
    }
    editor.run("towline.sync.pause", json!({}));
    fs::write(&file, "mine").expect("an edit here");
    fs::write(sandbox.there().join("app/d/a"), "theirs").expect("an edit there");
    editor.run("towline.sync.resume", json!({}));
    editor.until("the conflict", |editor| {
        (!editor.status()?["conflicts"].as_array()?.is_empty()).then_some(())
    });
    let argument = json!({ "path": uri(&file), "keep": "local" });
    assert_eq!(editor.run("towline.sync.resolve", argument)["resolved"], "d/a");

    for name in ["towline.file.stat", "towline.file.list", "towline.file.read"] {
        let error = editor.try_run(name, json!({ "path": "/none" })).unwrap_err();
        assert_eq!(error["data"]["code"], "not_found", "{name}: {error}");
    }
    editor.run("towline.down", json!({}));
}

#[test]
fn what_a_plain_editor_was_shown_goes_with_the_hub() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a = one");
    let mut editor = Editor::start(&sandbox);
    let pid = up(&sandbox, &mut editor)["pid"].as_u64().expect("a hub");
    let file = uri(&sandbox.workspace().join("a"));
    let show = |editor: &mut Editor| {
        let shown = editor.run("towline.diff", json!({ "path": file }))["shown"].clone();
        let path = shown.as_str().and_then(|uri| uri.strip_prefix("file://")).expect("a file");
        std::path::PathBuf::from(path)
    };
    let shown = show(&mut editor);
    assert_eq!(fs::read_to_string(&shown).expect("it is there"), "one");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the hub lives");
    // Asked of the server that had started it, before it can have noticed.
    assert_eq!(editor.run("towline.sync.wait", json!({}))["syncs"][0]["name"], "app");
    assert!(!shown.exists(), "the next hub removes what the killed one left");
    let shown = show(&mut editor);
    editor.run("towline.down", json!({}));
    wait::until("it to be gone", || (!shown.exists()).then_some(()));
    editor.end();
    sandbox.assert_nothing_left();
}

#[test]
fn a_missing_kubeconfig_is_told_of_as_an_editor_needs_it() {
    let sandbox = Sandbox::new();
    let mut editor = Editor::start(&sandbox);
    let error = editor.try_run("towline.list", json!({})).unwrap_err();
    assert_eq!(error["data"]["code"], "unreachable", "{error}");
    let help = error["data"]["help"].as_str().expect("help");
    assert!(help.contains("KUBECONFIG") && !help.contains(" -n"), "{help}");
}

/// What programs of each language print when they fail, as they printed it, with the
/// lines of ours that it names.
const TRACES: [(&str, &str, &str, &[u64]); 6] = [
    (
        "Python",
        "a.py",
        "Traceback (most recent call last):\n  File \"/app/a.py\", line 6, in f\n    g()\n  File \
         \"/app/a.py\", line 2, in g\n    raise ValueError(\"x\")\nValueError: x\n\nThe above exception \
         was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  \
         File \"/app/a.py\", line 10, in <module>\n    f()\n  File \"/app/a.py\", line 8, in f\n    \
         raise RuntimeError(\"wrapped\") from e\nRuntimeError: wrapped\n",
        &[5, 1, 9, 7],
    ),
    (
        "Node",
        "a.js",
        "/app/a.js:2\n  null.x;\n       ^\n\nTypeError: Cannot read properties of null (reading 'x')\n    \
         at f (/app/a.js:2:8)\n    at Object.<anonymous> (/app/a.js:4:1)\n    at Module._compile \
         (node:internal/modules/cjs/loader:1521:14)\n\nNode.js v20.20.2\n",
        &[1, 3],
    ),
    (
        "Go",
        "main.go",
        "panic: runtime error: index out of range [3] with length 0\n\ngoroutine 1 [running]:\n\
         main.f(...)\n\t/app/main.go:4\nmain.main()\n\t/app/main.go:8 +0xa\nexit status 2\n",
        &[3, 7],
    ),
    (
        "Rust",
        "a.rs",
        "\nthread 'main' (10965) panicked at a.rs:2:5:\nindex out of bounds: the len is 0 but the index \
         is 3\nstack backtrace:\n   0: __rustc::rust_begin_unwind\n             at \
         /rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/panicking.rs:689:5\n   3: \
         a::f\n             at ./a.rs:2:5\n   4: a::main\n             at ./a.rs:5:13\n",
        &[1, 4],
    ),
    (
        "Java",
        "src/com/acme/Api.java",
        "Exception in thread \"main\" java.lang.IllegalStateException: no\n\tat \
         com.acme.Api.run(Api.java:8)\n\tat com.acme.Api.main(Api.java:12)\nCaused by: \
         java.lang.NullPointerException: null\n\tat com.acme.Api.run(Api.java:6)\n\t... 1 more\n",
        &[7, 11, 5],
    ),
    (
        "C++",
        "a.cpp",
        "==9==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55eb4a89\n\
         READ of size 4 at 0x602000000010 thread T0\n    #0 0x55eb4a89120b in f(int*) /app/a.cpp:4\n    \
         #1 0x55eb4a8912c8 in main /app/a.cpp:10\n    #2 0x7f0204a45249 in __libc_start_call_main \
         ../sysdeps/nptl/libc_start_call_main.h:58\n",
        &[3, 9],
    ),
];

#[test]
fn traces_of_every_language_are_hints_at_the_lines_that_they_name() {
    for (language, name, trace, expected) in TRACES {
        let sandbox = Sandbox::new();
        let file = sandbox.workspace().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, "\n".repeat(20)).expect("a file");
        fs::write(sandbox.workspace().join("trace"), trace).expect("a file");
        let mut editor = Editor::start(&sandbox);
        let target = format!("local:{}", sandbox.there().display());
        editor.run(
            "towline.up",
            json!({ "target": target, "sync": [".:/app"],
                    "command": ["sh", "-c", "cat trace >&2; exec sleep 9999"] }),
        );
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        editor.until(&format!("the trace of {language}"), |editor| {
            let told = editor.diagnostics(&file)?;
            assert!(told.iter().all(|it| it["severity"] == 4), "they are hints");
            let mut lines: Vec<_> =
                told.iter().filter_map(|it| it["range"]["start"]["line"].as_u64()).collect();
            lines.sort_unstable();
            lines.dedup();
            (lines == expected).then_some(())
        });
        fs::write(sandbox.workspace().join("trace"), "").expect("an edit");
        editor.run("towline.sync.wait", json!({}));
        editor.run("towline.restart", json!({}));
        editor.until("it to be gone with the next run", |editor| {
            editor.diagnostics(&file)?.is_empty().then_some(())
        });
        editor.run("towline.down", json!({}));
    }
}

#[test]
fn what_only_shows_something_shows_it() {
    let sandbox = Sandbox::new();
    let kube = sandbox.path().join("home/.kube");
    fs::create_dir(&kube).expect("a folder");
    let config = "apiVersion: v1\nkind: Config\ncurrent-context: two\n\
                  clusters: [{ name: c, cluster: { server: 'http://127.0.0.1:1' } }]\n\
                  users: [{ name: u, user: {} }]\ncontexts:\n\
                  - { name: one, context: { cluster: c, user: u, namespace: shop } }\n\
                  - { name: two, context: { cluster: c, user: u } }\n";
    fs::write(kube.join("config"), config).expect("a kubeconfig");
    let mut editor = Editor::start(&sandbox);
    let contexts = editor.run("towline.contexts", json!({}))["contexts"].clone();
    assert_eq!(contexts[0]["name"], "two", "the current one first");
    assert_eq!((&contexts[1]["name"], &contexts[1]["namespace"]), (&json!("one"), &json!("shop")));
    let spaces = editor.run("towline.namespaces", json!({ "context": "one" }));
    let problem = spaces["problem"].as_str().expect("nothing listens there");
    assert!(problem.contains("list the namespaces at http://127.0.0.1:1"), "{problem}");

    let target = format!("local:{}", sandbox.there().display());
    editor.run(
        "towline.up",
        json!({ "target": target, "sync": [".:/app"],
                "command": ["sh", "-c", "echo hello; exec sleep 9999"] }),
    );
    let syncs = editor.run("towline.sync.list", json!({}))["syncs"].clone();
    assert_eq!((&syncs[0]["name"], syncs.as_array().map(Vec::len)), (&json!("app"), Some(1)));
    assert_eq!(editor.run("towline.sync.conflicts", json!({}))["conflicts"], json!([]));
    wait::until("the app's word", || {
        let lines = editor.run("towline.logs", json!({ "tail": 9 }))["lines"].clone();
        let mut lines = lines.as_array()?.iter();
        lines.any(|line| line["text"] == "hello" && line["source"] == "stdout").then_some(())
    });
    let line = editor.run("towline.shell", json!({}))["command"].clone();
    let line = line.as_str().expect("what to type");
    assert!(line.starts_with("towline -C /") && line.ends_with(" shell"), "{line}");
    editor.run("towline.open", json!({ "url": "http://localhost:1/" }));
    let shown = editor.asked.last().expect("the editor was asked");
    assert_eq!(shown["params"]["uri"], "http://localhost:1/");
    assert_eq!(shown["params"]["external"], true);
    editor.run("towline.down", json!({}));
}

#[test]
fn a_path_that_is_ignored_while_all_is_up_stays_and_nothing_goes_round() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "big.log = x\na = one");
    let mut editor = Editor::start(&sandbox);
    editor.choice = Some("Write it into .gitignore".to_owned());
    up(&sandbox, &mut editor);
    let argument = json!({ "path": uri(&sandbox.workspace().join("big.log")) });
    assert_eq!(editor.run("towline.sync.ignore", argument)["ignored"], "/big.log");
    editor.run("towline.sync.wait", json!({}));
    let rules = sandbox.there().join("app/.gitignore");
    assert_eq!(fs::read_to_string(rules).expect("it is synced"), "/big.log\n");
    assert!(sandbox.there().join("app/big.log").exists(), "ignored is not deleted");
    // Rules that are scanned again are no new rules.
    wait::until("the sync to be at rest", || {
        let is_at_rest = |_| {
            let syncs = editor.run("towline.sync.list", json!({}));
            syncs["syncs"][0]["phase"]["phase"] == "in_sync"
        };
        (0..50).all(is_at_rest).then_some(())
    });
    editor.run("towline.down", json!({}));
}

#[test]
fn what_compilers_and_tests_say_in_a_hook_is_at_the_local_lines() {
    let sandbox = Sandbox::new();
    let root = sandbox.workspace();
    let there = sandbox.there().join("app").display().to_string();
    let said = format!(
        "/app/a.c:3:7: error: expected ';'\n{there}/b.c:2:1: warning: unused\n\
         error[E0425]: cannot find value `x`\n  --> src/main.rs:4:5\n   |\n\
         src/a.ts(5,2): error TS2304: no x\ntests/test_a.py:7: AssertionError\n\
         /usr/include/stdio.h:1:1: error: not ours\n"
    );
    let expected = [
        ("a.c", 2, 1),
        ("b.c", 1, 2),
        ("src/main.rs", 3, 1),
        ("src/a.ts", 4, 1),
        ("tests/test_a.py", 6, 1),
    ];
    for (name, ..) in expected {
        let file = root.join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, "\n".repeat(20)).expect("a file");
    }
    fs::write(root.join("said"), said).expect("a file");
    let mut editor = Editor::start(&sandbox);
    let target = format!("local:{}", sandbox.there().display());
    let up = json!({ "target": target, "sync": [".:/app"], "onChange": "run: cat said" });
    editor.run("towline.up", up);
    fs::write(root.join("other"), "1").expect("an edit");
    for (name, line, severity) in expected {
        editor.until(name, |editor| {
            let told = editor.diagnostics(&root.join(name))?;
            let told = told.first()?;
            assert_eq!((&told["code"], &told["severity"]), (&json!("hook"), &json!(severity)));
            (told["range"]["start"]["line"] == line).then_some(())
        });
    }
    editor.run("towline.down", json!({}));
}
