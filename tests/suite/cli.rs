//! Suite: the command line and the hub, as a user and a script meet them, with
//! the real binaries in a world of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};

use harness::sandbox::Sandbox;
use harness::{tree, wait};
use serde_json::Value;

const SYNC: [&str; 4] = ["up", "local:../there", "--sync", ".:/app"];

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that has to fail with this exit code.
fn fails(sandbox: &Sandbox, args: &[&str], code: i32) -> Output {
    let output = sandbox.try_run(args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "towline {args:?}\n--- stdout\n{}\n--- stderr\n{}\n--- logs\n{}",
        stdout(&output),
        stderr(&output),
        sandbox.logs()
    );
    output
}

/// An echo server, for forwards; gone when the test is.
pub(crate) fn echo() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut reader = stream.try_clone().expect("a handle");
                let _ = std::io::copy(&mut reader, &mut stream);
            });
        }
    });
    port
}

pub(crate) fn assert_echoes(address: &str) {
    let mut stream = TcpStream::connect(address).expect("the forward listens");
    stream.write_all(b"ping").expect("it takes bytes");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("they come back");
    assert_eq!(&answer, b"ping");
}

#[test]
fn up_syncs_forwards_and_runs_commands_and_down_leaves_nothing() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a.txt = hello\nsrc/b.txt = there");
    let port = echo();
    let forward = format!("0:{port}");
    sandbox.run(&[&SYNC[..], &["--forward", &forward]].concat());
    let read = |path: &str| std::fs::read_to_string(sandbox.there().join(path));
    assert_eq!(read("app/a.txt").expect("it is synced"), "hello");

    let status = sandbox.status();
    assert_eq!(status["schema"], 1);
    assert_eq!(status["readiness"]["state"], "ready");
    assert_eq!(status["link"]["state"], "up");
    assert_eq!(status["syncs"][0]["phase"]["phase"], "in_sync");
    assert_echoes(status["forwards"][0]["local"][0].as_str().expect("an address"));

    assert_eq!(sandbox.run(&["exec", "-w", "/app", "--", "cat", "a.txt"]).trim_end(), "hello");
    fails(&sandbox, &["exec", "--", "sh", "-c", "exit 42"], 42);
    std::fs::write(sandbox.workspace().join("new.txt"), "edit").expect("it can be written");
    sandbox.run(&["sync", "wait"]);
    assert_eq!(read("app/new.txt").expect("it is synced"), "edit");

    let said = sandbox.run(&["down"]);
    assert!(said.contains("ended the sync `app`"), "{said}");
    fails(&sandbox, &["status"], 3);
    sandbox.assert_nothing_left();
    assert_eq!(read("app/new.txt").expect("what was synced stays"), "edit");
}

#[test]
fn two_ups_at_once_share_one_hub() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a.txt = hello");
    let mut ups: Vec<_> = (0..4)
        .map(|_| {
            let mut up = sandbox.command(&SYNC);
            up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    for up in ups.drain(..) {
        let output = up.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}{}", stderr(&output), sandbox.logs());
    }
    let hubs: Vec<_> =
        sandbox.leftovers().into_iter().filter(|(_, line)| line.contains("towline hub")).collect();
    assert_eq!(hubs.len(), 1, "{hubs:?}");
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}

#[test]
fn a_second_up_with_other_settings_says_the_difference() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a.txt = hello");
    sandbox.run(&SYNC);
    sandbox.run(&SYNC); // the same again is fine
    sandbox.run(&["up"]); // and so is what is up
    let port = echo();
    let forward = format!("0:{port}");
    let other = [&SYNC[..], &["--forward", &forward]].concat();
    let refused = fails(&sandbox, &other, 5);
    let said = stderr(&refused);
    assert!(said.contains(&format!("+ forward: {forward}")), "{said}");
    assert!(said.contains("towline down") && said.contains("--replace"), "{said}");
    sandbox.run(&[&other[..], &["--replace"]].concat());
    assert_echoes(sandbox.status()["forwards"][0]["local"][0].as_str().expect("an address"));
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}

#[test]
fn forwards_are_added_listed_and_removed() {
    let sandbox = Sandbox::new();
    let port = echo();
    sandbox.run(&["up", "local:../there"]);
    let opened: Value =
        serde_json::from_str(&sandbox.run(&["forward", &format!("0:{port}"), "--json"]))
            .expect("JSON");
    assert_echoes(opened["opened"]["local"][0].as_str().expect("an address"));
    let listed: Value =
        serde_json::from_str(&sandbox.run(&["forward", "list", "--json"])).expect("JSON");
    assert_eq!(listed["forwards"].as_array().map(Vec::len), Some(1));
    assert!(listed["forwards"][0]["bytes_out"].as_u64() >= Some(4), "{listed}");
    sandbox.run(&["forward", "remove", &format!("0:{port}")]);
    assert!(sandbox.run(&["forward", "list"]).contains("no forwards"));
    fails(&sandbox, &["forward", "remove", "1"], 1);
    fails(&sandbox, &["forward", "80000"], 2);
    sandbox.run(&["down"]);
}

#[test]
fn the_app_is_run_restarted_and_its_output_kept() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "app.sh = echo started in $PWD; exec sleep 1000");
    sandbox.run(&[&SYNC[..], &["--on-change", "restart", "--", "sh", "app.sh"]].concat());
    let first = sandbox.status();
    assert_eq!(first["app"]["state"], "running", "{first}");
    let there = sandbox.there().join("app").display().to_string();
    wait::until("the app's output", || {
        sandbox.run(&["logs"]).contains(&format!("started in {there}")).then_some(())
    });
    sandbox.run(&["restart"]);
    assert_ne!(sandbox.status()["app"]["pid"], first["app"]["pid"]);
    let script = "echo changed; exec sleep 1000";
    std::fs::write(sandbox.workspace().join("app.sh"), script).expect("an edit");
    wait::until("the hook to restart the app", || {
        sandbox.run(&["logs"]).contains("changed").then_some(())
    });
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}

#[test]
fn a_hook_runs_after_each_batch_and_its_failure_is_shown() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a.txt = one");
    sandbox.run(&[&SYNC[..], &["--on-change", "run: cat a.txt; exit 3"]].concat());
    std::fs::write(sandbox.workspace().join("a.txt"), "two").expect("an edit");
    wait::until("the hook's output", || sandbox.run(&["logs"]).contains("two").then_some(()));
    wait::until("the hook's failure", || {
        let hook = &sandbox.status()["hooks"][0];
        hook["last_error"].as_str()?.contains("status 3").then_some(())
    });
    sandbox.run(&["down"]);
}

#[test]
fn files_are_copied_in_and_out() {
    let sandbox = Sandbox::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    std::fs::write(sandbox.workspace().join("in.bin"), &bytes).expect("a file");
    sandbox.run(&["up", "local:../there"]);
    sandbox.run(&["cp", "in.bin", ":/data.bin"]);
    assert_eq!(std::fs::read(sandbox.there().join("data.bin")).expect("it is there"), bytes);
    sandbox.run(&["cp", ":/data.bin", "out.bin"]);
    assert_eq!(std::fs::read(sandbox.workspace().join("out.bin")).expect("it is here"), bytes);
    fails(&sandbox, &["cp", ":/missing", "x"], 1);
    fails(&sandbox, &["cp", "in.bin", "out.bin"], 2);
    sandbox.run(&["down"]);
}

#[test]
fn status_is_watched_a_json_line_at_each_change() {
    let sandbox = Sandbox::new();
    let port = echo();
    sandbox.run(&["up", "local:../there"]);
    let mut watch = sandbox
        .command(&["status", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let first: Value = serde_json::from_str(&lines.next().expect("a line").expect("text"))
        .expect("each line is JSON");
    assert_eq!(first["forwards"].as_array().map(Vec::len), Some(0));
    sandbox.run(&["forward", &format!("0:{port}")]);
    let opened = lines.map_while(Result::ok).any(|line| {
        let status: Value = serde_json::from_str(&line).expect("each line is JSON");
        status["forwards"].as_array().map(Vec::len) == Some(1)
    });
    assert!(opened);
    watch.kill().expect("it runs");
    watch.wait().expect("it ends");
    sandbox.run(&["down"]);
}

#[test]
fn a_subfolder_finds_the_hub_of_its_workspace() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "deep/er/a.txt = x");
    sandbox.run(&["up", "local:../there"]);
    let output = sandbox
        .command(&["status", "--json"])
        .current_dir(sandbox.workspace().join("deep/er"))
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", stderr(&output));
    sandbox.run(&["down"]);
}

#[test]
fn completions_and_manual_pages_are_generated() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(sandbox.run(&["completions", shell]).contains("forward"), "{shell}");
    }
    assert!(sandbox.run(&["man"]).contains(".TH towline"));
    sandbox.run(&["man", "pages"]);
    let pages = std::fs::read_dir(sandbox.workspace().join("pages")).expect("pages").count();
    assert!(pages > 15, "{pages}");
    serde_json::from_str::<Value>(&sandbox.run(&["schema"])).expect("the schema is JSON");
}

#[test]
fn an_agent_that_needs_libraries_makes_no_image() {
    let sandbox = Sandbox::new();
    let out = sandbox.path().join("agent.tar");
    let mut make = sandbox.command(&["agent-image", &out.display().to_string()]);
    let made = make.env("TOWLINE_AGENT_BIN", &harness::bins::bins().agent).output();
    let made = made.expect("towline can be started");
    assert_eq!(made.status.code(), Some(1));
    let said = stderr(&made);
    assert!(said.contains("needs libraries") && said.contains("cargo agent-static"), "{said}");
    assert!(!out.exists());
}

#[test]
fn without_a_hub_every_command_says_so() {
    let sandbox = Sandbox::new();
    for args in [
        &["status"][..],
        &["down"],
        &["logs"],
        &["restart"],
        &["shell"],
        &["exec", "--", "true"],
        &["forward", "list"],
        &["sync", "wait"],
        &["cp", "a", ":/b"],
    ] {
        let said = stderr(&fails(&sandbox, args, 3));
        assert!(said.contains("nothing is up") && said.contains("help:"), "{args:?}: {said}");
        let json = [args, &["--json"]].concat();
        if args[0] == "exec" {
            continue; // its standard output is the command's
        }
        let output = fails(&sandbox, &json, 3);
        let error: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(error["error"]["code"], "not_up", "{args:?}");
    }
    sandbox.assert_nothing_left();
}

#[test]
fn a_changed_configuration_file_is_said_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let file = sandbox.workspace().join("towline.yaml");
    let text = "target: local:../there\nsync: [{ from: ., to: /app }]\n";
    std::fs::write(&file, text).expect("write");
    sandbox.run(&["up"]);
    let says = |what: &str| {
        wait::until(what, || sandbox.run(&["status"]).contains(what).then_some(()));
    };
    std::fs::write(&file, format!("{text}forward: [8093]\n")).expect("write");
    says("towline.yaml changed since `up`");
    std::fs::write(&file, format!("{text}froward: [8093]\n")).expect("write");
    says("towline.yaml:3:1: there is no setting `froward`");
    std::fs::write(&file, text).expect("write");
    wait::until("the warning to go", || {
        (!sandbox.run(&["status"]).contains("towline.yaml")).then_some(())
    });
    sandbox.run(&["down"]);
}
