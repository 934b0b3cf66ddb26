//! Suite: what the language server knows of the words in `towline.yaml` and of hosts.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use harness::editor::{Editor, uri};
use harness::sandbox::Sandbox;
use harness::tree;
use serde_json::{Value, json};

/// `|` is the cursor: the text without it, and the position.
fn cursor(text: &str) -> (String, Value) {
    let before = text.split('|').next().expect("a text");
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().expect("a line").encode_utf16().count();
    (text.replacen('|', "", 1), json!({ "line": line, "character": character }))
}

/// Has the editor show a text, and the parameters of a question about the cursor in it.
fn at(editor: &mut Editor, file: &Path, text: &str) -> Value {
    let (text, position) = cursor(text);
    let document = json!({ "uri": uri(file), "languageId": "x", "version": 1, "text": text });
    editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
    json!({ "textDocument": { "uri": uri(file) }, "position": position })
}

fn labels(editor: &mut Editor, file: &Path, text: &str) -> Vec<String> {
    let params = at(editor, file, text);
    let items = editor.request("textDocument/completion", params).expect("items");
    let items = items.as_array().cloned().unwrap_or_default();
    let label = |item: &Value| item["label"].as_str().unwrap_or_default().to_owned();
    items.iter().map(label).collect()
}

fn up(sandbox: &Sandbox, editor: &mut Editor, forward: &[&str]) -> Value {
    let target = format!("local:{}", sandbox.there().display());
    let argument = json!({ "target": target, "sync": [".:/app"], "forward": forward });
    editor.run("towline.up", argument)
}

#[test]
fn words_of_the_config_lead_to_what_they_mean() {
    let sandbox = Sandbox::new();
    let root = sandbox.workspace();
    tree::write(&root, "src/run.sh = x\nk8s/");
    fs::create_dir_all(root.join("node_modules/x")).expect("a folder");
    let service = "# the database\nkind: Service\nmetadata:\n  name: db\n";
    fs::write(root.join("k8s/db.yaml"), service).expect("a manifest");
    fs::write(root.join("node_modules/x/db.yaml"), service).expect("somebody else's");
    let api =
        "kind: Service\nmetadata: { name: api }\n---\nkind: Deployment\nmetadata:\n  name: api\n";
    fs::write(root.join("k8s/api.yaml"), api).expect("a manifest");
    let file = root.join("towline.yaml");
    let mut editor = Editor::start(&sandbox);
    let mut leads = |text: &str, expected: &[(&str, u64)]| {
        let params = at(&mut editor, &file, text);
        let found = editor.request("textDocument/definition", params).expect("an answer");
        let found = found.as_array().cloned().unwrap_or_default();
        let found: Vec<_> = found
            .iter()
            .map(|it| (it["uri"].clone(), it["range"]["start"]["line"].as_u64()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, line)| (json!(uri(&root.join(path))), Some(*line)))
            .collect();
        assert_eq!(found, expected, "{text}");
    };
    leads("target: deploy/a|pi -c app\n", &[("k8s/api.yaml", 5)]);
    leads("target: deploy/none|\n", &[]);
    leads("forward: [8080, svc/d|b:5432]\n", &[("k8s/db.yaml", 3)]);
    leads("forward: [80|80]\n", &[]);
    leads("sync:\n  - from: s|rc\n    to: /app\n", &[("src", 0)]);
    leads("sync:\n  - from: src\n    to: /app|\n", &[("src", 0)]);
    leads(
        "sync:\n  - from: src\n    to: /a\n    on_change: { run: sh ru|n.sh }\n",
        &[("src/run.sh", 0)],
    );
    leads("app:\n  command: src/run.sh|\n  cwd: /app\n", &[("src/run.sh", 0)]);
    leads("strict_ports: tr|ue\n", &[]);

    let params = at(&mut editor, &file, "sync:\n- { from: src, to: /app }\napp:\n  cwd: /none\n");
    let links = editor.request("textDocument/documentLink", params).expect("links");
    let targets: Vec<_> =
        links.as_array().expect("a list").iter().map(|it| it["target"].clone()).collect();
    let source = json!(uri(&root.join("src")));
    assert_eq!(targets, [source.clone(), source], "only what is there");
}

#[test]
fn open_ports_are_linked_and_a_taken_one_is_written_as_it_is() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let mut editor = Editor::start(&sandbox);
    let status = up(&sandbox, &mut editor, &[&port.to_string()]);
    let local = status["forwards"][0]["local"][0].as_str().expect("it listens");
    let moved = local.rsplit_once(':').expect("a port").1.to_owned();
    assert_ne!(moved, port.to_string());
    let url = format!("http://localhost:{moved}/");

    let file = sandbox.workspace().join("towline.yaml");
    let text = format!("forward:\n  - {port}|\n");
    let params = at(&mut editor, &file, &text);
    let links = editor.request("textDocument/documentLink", params.clone()).expect("links");
    assert_eq!(links[0]["target"], url, "{links}");
    let place = json!({ "start": { "line": 1, "character": 4 },
                        "end": { "line": 1, "character": 4 + port.to_string().len() } });
    let told = editor.until("the other port to be told of", |editor| {
        editor.diagnostics(&file)?.into_iter().find(|told| told["code"] == "port")
    });
    assert_eq!(told["range"], place);
    let params = json!({ "textDocument": { "uri": uri(&file) }, "range": place,
                         "context": { "diagnostics": [told] } });
    let actions = editor.request("textDocument/codeAction", params).expect("actions");
    let edits = actions.as_array().expect("a list").iter();
    let edits: Vec<_> = edits.filter_map(|it| it["edit"]["changes"].get(uri(&file))).collect();
    assert_eq!(edits[0][0]["newText"], format!("\"{moved}:{port}\""), "{actions}");

    let source = sandbox.workspace().join("a.py");
    let text = format!("# é\nget(\"http://localhost:{port}/x|\")\n");
    let params = at(&mut editor, &source, &text);
    let links = editor.request("textDocument/documentLink", params).expect("links");
    assert_eq!(links[0]["target"], url, "{links}");
    assert_eq!(links[0]["range"]["start"], json!({ "line": 1, "character": 12 }));
    editor.run("towline.down", json!({}));
}

#[test]
fn a_host_under_the_cursor_is_asked_for_on_the_target() {
    let sandbox = Sandbox::new();
    let mut editor = Editor::start(&sandbox);
    let file = sandbox.workspace().join("a.py");
    let params = at(&mut editor, &file, "connect(\"local|host:6379\")\n");
    let nothing = editor.request("textDocument/hover", params.clone()).expect("an answer");
    assert_eq!(nothing, Value::Null, "nothing is up");
    up(&sandbox, &mut editor, &["0:6379"]);
    let hover = |editor: &mut Editor, params| {
        let answer = editor.request("textDocument/hover", params).expect("an answer");
        answer["contents"]["value"].as_str().unwrap_or_default().to_owned()
    };
    let text = hover(&mut editor, params);
    assert!(text.contains("`localhost` is 127.0.0.1, ::1 in the target"), "{text}");
    assert!(text.contains("(http://localhost:"), "{text}");
    let params = at(&mut editor, &file, "x = \"redis://127.0.0.1:1/0\" # local|host\n");
    assert_eq!(hover(&mut editor, params), "", "any other word is no host");
    let params = at(&mut editor, &file, "x = \"http://no such na|me.invalid:99/\"\n");
    let text = hover(&mut editor, params);
    assert!(text.contains("`name.invalid`") && text.contains("not forwarded"), "{text}");
    editor.run("towline.down", json!({}));
}

#[test]
fn a_hover_that_is_cancelled_is_over_though_the_target_is_silent() {
    let sandbox = Sandbox::new();
    let mut editor = Editor::start(&sandbox);
    up(&sandbox, &mut editor, &[]);
    let agents: Vec<i32> = sandbox
        .leftovers()
        .into_iter()
        .filter(|(_, line)| line.contains("towline-agent"))
        .map(|(pid, _)| pid)
        .collect();
    assert!(!agents.is_empty());
    let signal = |signal| {
        for pid in &agents {
            let pid = rustix::process::Pid::from_raw(*pid).expect("a pid");
            rustix::process::kill_process(pid, signal).expect("it lives");
        }
    };
    signal(rustix::process::Signal::STOP);
    let file = sandbox.workspace().join("a.py");
    let params = at(&mut editor, &file, "connect(\"local|host:6379\")\n");
    let id = editor.begin("textDocument/hover", params);
    editor.notify("$/cancelRequest", json!({ "id": id }));
    let error = editor.answer(id).unwrap_err();
    assert_eq!(error["code"], -32800, "{error}");
    signal(rustix::process::Signal::CONT);
    editor.run("towline.down", json!({}));
}

#[test]
fn what_the_config_may_say_is_offered() {
    let sandbox = Sandbox::new();
    let root = sandbox.workspace();
    fs::create_dir_all(root.join("src/lib")).expect("a folder");
    fs::create_dir_all(sandbox.there().join("opt/data")).expect("a folder");
    let kube = sandbox.path().join("home/.kube");
    fs::create_dir(&kube).expect("a folder");
    let config = "apiVersion: v1\nkind: Config\ncurrent-context: two\ncontexts:\n\
                  - name: one\n  context: { cluster: c, user: u }\n\
                  - name: two\n  context: { cluster: c, user: u }\n";
    fs::write(kube.join("config"), config).expect("a kubeconfig");
    let file = root.join("towline.yaml");
    let mut editor = Editor::start(&sandbox);
    assert_eq!(labels(&mut editor, &file, "target: deploy/api --context |"), ["two", "one"]);
    assert_eq!(labels(&mut editor, &file, "target: deploy/api --tier e|"), ["exec", "ephemeral"]);
    assert!(labels(&mut editor, &file, "target: deploy/api |").contains(&"-c".to_owned()));
    assert_eq!(labels(&mut editor, &file, "sync:\n  - from: s|"), ["src"]);
    assert_eq!(labels(&mut editor, &file, "sync:\n  - from: src/|"), ["src/lib"]);
    let to = "sync:\n  - from: .\n    to: /opt/d|";
    assert!(labels(&mut editor, &file, to).is_empty(), "nothing is up");
    up(&sandbox, &mut editor, &[]);
    let params = at(&mut editor, &file, to);
    let items = editor.request("textDocument/completion", params).expect("items");
    assert_eq!(items[0]["textEdit"]["newText"], "/opt/data", "{items}");
    assert_eq!(items[0]["textEdit"]["range"]["start"]["character"], 8, "what was typed goes");
    editor.run("towline.down", json!({}));
}
