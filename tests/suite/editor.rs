//! Suite: the language server as an editor meets it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use harness::editor::{Editor, uri};
use harness::sandbox::Sandbox;
use harness::{tree, wait};
use serde_json::{Value, json};

fn up(sandbox: &Sandbox, editor: &mut Editor) -> Value {
    let target = format!("local:{}", sandbox.there().display());
    editor.run("towline.up", json!({ "target": target, "sync": [".:/app"] }))
}

/// The lines and codes of what is underlined in a file of the workspace.
fn underlined(editor: &Editor, sandbox: &Sandbox, name: &str) -> Vec<(u64, String)> {
    let found = editor.diagnostics(&sandbox.workspace().join(name)).unwrap_or_default();
    let line = |found: &Value| found["range"]["start"]["line"].as_u64().unwrap_or(u64::MAX);
    let code = |found: &Value| found["code"].as_str().unwrap_or_default().to_owned();
    found.iter().map(|found| (line(found), code(found))).collect()
}

#[test]
fn the_main_job_is_done_by_commands_alone() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "page = one");
    let mut editor = Editor::start(&sandbox);
    assert_eq!(editor.run("towline.status", json!({})), Value::Null);
    let target = format!("local:{}", sandbox.there().display());
    let port = harness::wait::until("a free port", || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
        Some(listener.local_addr().ok()?.port())
    });
    let serve = ["python3", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()];
    let argument = json!({
        "target": target, "sync": [".:/app"], "forward": [format!("0:{port}")], "command": serve,
    });
    let status = editor.run("towline.up", argument);
    assert_eq!(status["readiness"]["state"], "ready");
    let local = status["forwards"][0]["local"][0].as_str().expect("it listens").to_owned();
    let get = || {
        let mut stream = TcpStream::connect(&local).ok()?;
        stream.write_all(b"GET /page HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    };
    wait::until("the app to serve", || get().filter(|page| page == "one"));
    let page = sandbox.workspace().join("page");
    fs::write(&page, "two").expect("an edit");
    editor.notify("textDocument/didSave", json!({ "textDocument": { "uri": uri(&page) } }));
    wait::until("the edit to be served", || get().filter(|page| page == "two"));

    assert!(editor.run("towline.sync.why", json!({ "path": uri(&page) }))["why"].is_string());
    assert_eq!(editor.run("towline.restart", json!({}))["app"]["state"], "running");
    editor.run("towline.down", json!({}));
    editor.until("the end to be told", |editor| editor.status()?["status"].is_null().then_some(()));
    editor.end();
    sandbox.assert_nothing_left();
}

#[test]
fn a_conflict_is_underlined_where_it_differs_and_ended_by_a_code_action() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a = 1\\n2\\n3\\n");
    let file = sandbox.workspace().join("a");
    fs::write(&file, "1\n2\n3\n").expect("a file");
    let mut editor = Editor::start(&sandbox);
    up(&sandbox, &mut editor);
    editor.run("towline.sync.pause", json!({}));
    fs::write(&file, "1\nmine\n3\n").expect("an edit here");
    fs::write(sandbox.there().join("app/a"), "1\ntheirs\n3\n").expect("an edit there");
    editor.run("towline.sync.resume", json!({}));
    let is_conflict = [(1, "conflict".to_owned())];
    editor.until("the conflict to be underlined", |editor| {
        (underlined(editor, &sandbox, "a") == is_conflict).then_some(())
    });
    let conflicts = editor.until("the status to tell", |editor| {
        let conflicts = editor.status()?["conflicts"].as_array()?.clone();
        (!conflicts.is_empty()).then_some(conflicts)
    });
    assert_eq!(conflicts[0]["remote"], "/app/a");
    let both = editor.run("towline.difference", json!({ "path": uri(&file) }));
    assert_eq!(both["target"], "1\ntheirs\n3\n");

    let shown = editor.diagnostics(&file).unwrap_or_default();
    let range = shown[0]["range"].clone();
    let params = json!({
        "textDocument": { "uri": uri(&file) }, "range": range, "context": { "diagnostics": shown },
    });
    let actions = editor.request("textDocument/codeAction", params).expect("actions");
    let titles: Vec<_> =
        actions.as_array().expect("a list").iter().map(|action| action["title"].clone()).collect();
    for title in ["Keep mine", "Keep the target's", "Keep both", "Show the difference"] {
        assert!(titles.iter().any(|known| known.as_str().is_some_and(|t| t.starts_with(title))));
    }
    let command = actions[1]["command"].clone();
    editor.run(command["command"].as_str().expect("a command"), command["arguments"][0].clone());
    editor.until("nothing to be underlined", |editor| {
        underlined(editor, &sandbox, "a").is_empty().then_some(())
    });
    wait::until("the target's content to be here", || {
        (fs::read_to_string(&file).ok()? == "1\ntheirs\n3\n").then_some(())
    });
    editor.run("towline.sync.undo", json!({ "path": uri(&file) }));
    wait::until("mine to be back", || {
        (fs::read_to_string(&file).ok()? == "1\nmine\n3\n").then_some(())
    });
    editor.run("towline.down", json!({}));
}

#[test]
fn mistakes_in_the_config_are_shown_as_they_are_typed() {
    let sandbox = Sandbox::new();
    let file = sandbox.workspace().join("towline.yaml");
    fs::write(&file, "forward:\n  - 8080\n").expect("a file");
    let mut editor = Editor::start(&sandbox);
    editor.open(&file);
    let mut version = 1;
    let mut change = |editor: &mut Editor, line: u32, from: u32, to: u32, text: &str| {
        version += 1;
        let at = |character: u32| json!({ "line": line, "character": character });
        editor.notify(
            "textDocument/didChange",
            json!({
                "textDocument": { "uri": uri(&file), "version": version },
                "contentChanges": [{ "range": { "start": at(from), "end": at(to) }, "text": text }],
            }),
        );
    };
    change(&mut editor, 1, 4, 8, "port!");
    let config = |line| [(line, "config".to_owned())];
    editor.until("the mistake to be underlined", |editor| {
        (underlined(editor, &sandbox, "towline.yaml") == config(1)).then_some(())
    });
    change(&mut editor, 1, 4, 9, "9090");
    editor.until("it to be gone", |editor| {
        underlined(editor, &sandbox, "towline.yaml").is_empty().then_some(())
    });
    change(&mut editor, 2, 0, 0, "é𝄞: 1\n");
    editor.until("an unknown key to be underlined", |editor| {
        (underlined(editor, &sandbox, "towline.yaml") == config(2)).then_some(())
    });
    // Columns count as UTF-16: é is one, 𝄞 two.
    change(&mut editor, 2, 0, 3, "strict_ports");
    change(&mut editor, 2, 14, 15, "");
    editor.until("its type to be wrong", |editor| {
        let found = editor.diagnostics(&file)?;
        found.first()?["message"].as_str()?.contains("bool").then_some(())
    });
    let at = |line: u32, character: u32| {
        json!({ "textDocument": { "uri": uri(&file) },
                "position": { "line": line, "character": character } })
    };
    let items = editor.request("textDocument/completion", at(2, 14)).expect("items");
    let labels: Vec<_> = items.as_array().expect("a list").iter().map(|i| &i["label"]).collect();
    assert_eq!(labels, ["true", "false"]);
    let hover = editor.request("textDocument/hover", at(2, 3)).expect("an answer");
    let text = hover["contents"]["value"].as_str().unwrap_or_default();
    assert!(text.contains("another local port"), "{hover}");
}

#[test]
fn what_the_output_tells_of_is_shown_until_the_next_run() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.workspace().join("app.py"), "import os\n\nraise ValueError('x')\n")
        .expect("a file");
    fs::write(sandbox.workspace().join("a.c"), "int x\n").expect("a file");
    let mut editor = Editor::start(&sandbox);
    let target = format!("local:{}", sandbox.there().display());
    editor.run(
        "towline.up",
        json!({
            "target": target, "sync": [".:/app"], "command": ["python3", "app.py"],
            "onChange": "run: [ -e good ] || echo 'a.c:1:6: error: a semicolon'",
        }),
    );
    editor.until("the trace to be shown", |editor| {
        (underlined(editor, &sandbox, "app.py") == [(2, "trace".to_owned())]).then_some(())
    });
    fs::write(sandbox.workspace().join("other"), "1").expect("an edit");
    editor.until("the hook's word to be shown", |editor| {
        (underlined(editor, &sandbox, "a.c") == [(0, "hook".to_owned())]).then_some(())
    });
    fs::write(sandbox.workspace().join("good"), "1").expect("an edit");
    editor.until("the hook to have nothing to say", |editor| {
        underlined(editor, &sandbox, "a.c").is_empty().then_some(())
    });
    fs::write(sandbox.workspace().join("app.py"), "import time\ntime.sleep(9999)\n")
        .expect("an edit");
    editor.run("towline.sync.wait", json!({}));
    editor.run("towline.restart", json!({}));
    editor.until("the trace to be gone", |editor| {
        underlined(editor, &sandbox, "app.py").is_empty().then_some(())
    });
    editor.run("towline.down", json!({}));
}

#[test]
fn two_editors_and_a_terminal_agree_and_a_killed_hub_comes_back() {
    let sandbox = Sandbox::new();
    let mut first = Editor::start(&sandbox);
    let mut second = Editor::start(&sandbox);
    up(&sandbox, &mut first);
    let pid = |editor: &Editor| editor.status()?["status"]["pid"].as_u64();
    let known = second.until("the other editor to know", pid);
    assert_eq!(sandbox.status()["pid"], known);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(known).expect("a pid")).expect("a pid"),
        rustix::process::Signal::KILL,
    )
    .expect("the hub can be killed");
    for editor in [&mut first, &mut second] {
        editor.until("a new hub to be up", |editor| {
            let status = &editor.status()?["status"];
            (status["readiness"]["state"] == "ready" && pid(editor)? != known).then_some(())
        });
    }
    assert_eq!(pid(&first), pid(&second));
    sandbox.run(&["down"]);
    second.until("the end to be told", |editor| editor.status()?["status"].is_null().then_some(()));
}

#[test]
fn the_targets_files_commands_and_environment_are_reached() {
    let sandbox = Sandbox::new();
    let mut editor = Editor::start(&sandbox);
    up(&sandbox, &mut editor);
    editor.run("towline.file.mkdir", json!({ "path": "/data" }));
    let write = |path: &str, create: bool, overwrite: bool| json!({ "path": path, "base64": "aGk=", "create": create, "overwrite": overwrite });
    assert!(editor.try_run("towline.file.write", write("/data/a", false, true)).is_err());
    editor.run("towline.file.write", write("/data/a", true, false));
    assert!(editor.try_run("towline.file.write", write("/data/a", true, false)).is_err());
    editor.run("towline.file.write", write("/data/a", false, true));
    assert_eq!(editor.run("towline.file.read", json!({ "path": "/data/a" }))["base64"], "aGk=");
    editor.run("towline.file.rename", json!({ "from": "/data/a", "to": "/data/b" }));
    let listed = editor.run("towline.file.list", json!({ "path": "/data" }));
    assert_eq!(listed["entries"][0]["name"], "b");
    assert_eq!(editor.run("towline.file.stat", json!({ "path": "/data/b" }))["size"], 2);
    let error = editor.try_run("towline.file.delete", json!({ "path": "/data" })).unwrap_err();
    assert!(error["message"].as_str().is_some_and(|text| text.contains("not empty")), "{error}");
    editor.run("towline.file.delete", json!({ "path": "/data", "recursive": true }));
    let error = editor.try_run("towline.file.read", json!({ "path": "/data/b" })).unwrap_err();
    assert!(error["data"]["code"].is_string() && error["data"]["help"].is_string(), "{error}");

    let argv = ["sh", "-c", "echo out; echo err >&2; exit 3"];
    let ran = editor.run("towline.exec", json!({ "argv": argv }));
    assert_eq!(
        (&ran["code"], &ran["stdout"], &ran["stderr"]),
        (&json!(3), &json!("out\n"), &json!("err\n"))
    );
    let env = editor.run("towline.env", json!({}));
    assert!(env["env"]["PATH"].is_string(), "{env}");
    assert_eq!(editor.run("towline.ports.detect", json!({})), json!({ "ports": [] }));
    assert!(editor.run("towline.ps", json!({}))["processes"].is_array());
    assert!(editor.try_run("towline.debug", json!({ "process": "nobody" })).is_err());
    editor.run("towline.forward.add", json!({ "spec": "0:9" }));
    assert_eq!(editor.run("towline.forward.list", json!({}))["forwards"][0]["spec"], "0:9");
    editor.run("towline.forward.remove", json!({ "spec": "0:9" }));
    editor.run("towline.down", json!({}));
}

#[test]
fn every_announced_command_answers_whether_something_is_up_or_not() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.workspace().join("a"), "x").expect("a file");
    let mut editor = Editor::raw(&sandbox);
    let root = uri(&sandbox.workspace());
    let answer = editor.request("initialize", json!({ "rootUri": root, "capabilities": {} }));
    let announced =
        answer.expect("an answer")["capabilities"]["executeCommandProvider"]["commands"]
            .as_array()
            .expect("commands")
            .clone();
    assert!(announced.len() > 30);
    editor.notify("initialized", json!({}));
    for is_up in [false, true] {
        if is_up {
            up(&sandbox, &mut editor);
        }
        for command in &announced {
            let name = command.as_str().expect("a name");
            if name == "towline.down" {
                continue; // last
            }
            // Whatever it is: an answer, or an error that says something.
            if let Err(error) = editor.try_run(name, json!({})) {
                assert!(error["message"].as_str().is_some_and(|text| text.len() > 8), "{error}");
            }
        }
    }
    let error = editor.try_run("towline.nonsense", json!({})).unwrap_err();
    assert!(error["message"].as_str().is_some_and(|text| text.contains("towline.nonsense")));
    editor.run("towline.down", json!({}));
}

#[test]
fn a_path_is_ignored_only_after_a_question() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.workspace().join("big.log"), "x").expect("a file");
    let mut editor = Editor::start(&sandbox);
    let argument = json!({ "path": uri(&sandbox.workspace().join("big.log")) });
    assert!(editor.try_run("towline.sync.ignore", argument.clone()).is_err());
    assert!(!sandbox.workspace().join(".gitignore").exists());
    editor.choice = Some("Write it into .gitignore".to_owned());
    editor.run("towline.sync.ignore", argument);
    let written = fs::read_to_string(sandbox.workspace().join(".gitignore")).expect("it is there");
    assert_eq!(written, "/big.log\n");
}

#[test]
fn the_server_ends_with_its_editor_and_the_hub_goes_on() {
    let sandbox = Sandbox::new();
    let mut editor = Editor::start(&sandbox);
    up(&sandbox, &mut editor);
    editor.request("shutdown", Value::Null).expect("an answer");
    editor.send(&json!({ "jsonrpc": "2.0", "method": "exit" }));
    assert!(editor.ended().success());
    Editor::start(&sandbox).end();
    assert_eq!(sandbox.status()["readiness"]["state"], "ready");
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}

#[test]
fn long_work_is_told_and_can_be_cancelled() {
    let sandbox = Sandbox::new();
    let shows = json!({ "window": { "workDoneProgress": true } });
    let mut editor = Editor::start_with(&sandbox, shows, json!({ "face": "vscode" }));
    up(&sandbox, &mut editor);
    editor.told.clear(); // on a slow machine the way up was told of, too
    let params = json!({
        "command": "towline.exec", "arguments": [{ "argv": ["sleep", "9999"] }],
    });
    let id = editor.begin("workspace/executeCommand", params);
    let token = editor.until("the progress to begin", |editor| {
        let begun = editor.told.iter().find(|told| told["params"]["value"]["kind"] == "begin")?;
        Some(begun["params"]["token"].clone())
    });
    editor.notify("window/workDoneProgress/cancel", json!({ "token": token }));
    let error = editor.answer(id).unwrap_err();
    assert!(error["message"].as_str().is_some_and(|text| text.contains("cancelled")), "{error}");
    editor.run("towline.down", json!({}));
}
