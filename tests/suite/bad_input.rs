//! Suite: bad input. Each is a clear message that says what was tried and what
//! to do, with its exit code, and starts nothing.

use std::net::TcpListener;
use std::process::Command;

use harness::bins::bins;
use harness::sandbox::Sandbox;

/// Runs `towline`, which has to fail so and say all of this.
fn check(sandbox: &Sandbox, args: &[&str], code: i32, says: &[&str]) {
    let output = sandbox.try_run(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "towline {args:?}: {said}\n{}", sandbox.logs());
    for words in says {
        assert!(said.contains(words), "towline {args:?} does not say `{words}`: {said}");
    }
    assert!(said.contains("help:"), "towline {args:?} does not say what to do: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_target_that_is_missing_or_no_directory() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.workspace().join("file"), "").expect("a file");
    check(&sandbox, &["up", "local:../missing"], 4, &["missing does not exist", "mkdir"]);
    check(&sandbox, &["up", "local:file"], 4, &["is not a directory"]);
    check(&sandbox, &["up", "local:file/below"], 4, &["is not a directory"]);
    assert!(sandbox.leftovers().is_empty(), "nothing was started");
}

#[test]
fn a_target_that_is_not_writable() {
    // Nobody can make a file there, not even root.
    check(&Sandbox::new(), &["up", "local:/proc"], 4, &["/proc is not writable", "rights"]);
}

#[test]
fn a_target_that_is_full() {
    let sandbox = Sandbox::new();
    // A file system of its own, filled to the last byte.
    let script = format!(
        "mount -t tmpfs -o size=64k none {there} && (cat /dev/zero > {there}/fill; true) \
         2>/dev/null && exec {towline} up local:{there}",
        there = sandbox.there().display(),
        towline = bins().towline.display()
    );
    let up = sandbox.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    command.current_dir(sandbox.workspace());
    for (name, value) in up.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().expect("unshare is there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("is full") && said.contains("make room"), "{said}");
}

#[test]
fn targets_syncs_and_forwards_that_mean_nothing() {
    let sandbox = Sandbox::new();
    let there = "local:../there";
    check(&sandbox, &["up"], 2, &["there is no target", "towline up local:"]);
    check(&sandbox, &["up", "there"], 2, &["`there` is no target"]);
    check(&sandbox, &["up", "deploy/api:x"], 2, &["is no target"]);
    check(&sandbox, &["up", there, "--sync", "src"], 2, &["`src` is no sync"]);
    check(&sandbox, &["up", there, "--sync", "missing:/app"], 2, &["unable to use", "missing"]);
    check(&sandbox, &["up", there, "--sync", "..:/app"], 2, &["feed itself"]);
    check(&sandbox, &["up", there, "--forward", "eighty"], 2, &["`eighty` is no forward"]);
    check(&sandbox, &["up", there, "--forward", "70000"], 2, &["`70000` is no forward"]);
    check(&sandbox, &["-C", "missing", "status"], 2, &["missing as the workspace"]);
    assert!(sandbox.leftovers().is_empty(), "nothing was started");
}

#[test]
fn a_broken_towline_yaml_is_said_with_line_and_column() {
    let sandbox = Sandbox::new();
    let yaml = |text: &[u8]| {
        std::fs::write(sandbox.workspace().join("towline.yaml"), text).expect("a file");
    };
    yaml(b"target: local:../there\nsnyc:\n  - {from: ., to: /app}\n");
    check(&sandbox, &["up"], 2, &["towline.yaml:2:1", "`snyc`", "did you mean `sync`?"]);
    yaml(b"target: local:../there\nsync:\n  - from: .\n    to: /app\n    on_chnage: restart\n");
    check(&sandbox, &["up"], 2, &["towline.yaml:5:5", "did you mean `on_change`?"]);
    yaml(b"target: [local\nsync: {\n");
    check(&sandbox, &["up"], 2, &["towline.yaml:"]);
    yaml(b"target: local:../there\nforward: 8080\n");
    check(&sandbox, &["up"], 2, &["towline.yaml:2:10"]);
    yaml(b"target: a\n# \xff\n");
    check(&sandbox, &["up"], 2, &["towline.yaml:2:3", "UTF-8"]);
    yaml(&vec![b'#'; 2 * 1024 * 1024]);
    check(&sandbox, &["up"], 2, &["towline.yaml", "long"]);
    assert!(sandbox.leftovers().is_empty(), "nothing was started");
}

#[test]
fn a_taken_port_is_replaced_loudly_or_refused() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    check(
        &sandbox,
        &["up", "local:../there", "--forward", &port, "--strict-ports"],
        1,
        &["taken", &port],
    );
    // What never worked does not stand in the way.
    let said = sandbox.run(&["up", "local:../there", "--forward", &port]);
    assert!(said.contains("warning:") && said.contains("is taken"), "{said}");
    let again = format!("{port}:1");
    check(&sandbox, &["forward", &again, "--strict-ports"], 1, &["taken"]);
    sandbox.run(&["down"]);
}

#[test]
fn garbage_on_the_hub_s_socket_is_answered_and_harms_nobody() {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    let sandbox = Sandbox::new();
    sandbox.run(&["up", "local:../there"]);
    let socket = std::fs::read_dir(sandbox.path().join("run/towline"))
        .expect("the runtime directory")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "sock"))
        .expect("the hub's socket");
    for garbage in [
        &b"\n"[..],
        b"{}\n",
        b"\xff\xfe\x00\n",
        b"{\"version\":\"0\",\"request\":{\"status\":{\"watch\":false}}}\n",
        b"GET / HTTP/1.1\r\n",
    ] {
        let mut stream = UnixStream::connect(&socket).expect("the hub listens");
        stream.write_all(garbage).expect("it reads");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("it answers");
        assert!(line.contains("failed"), "{garbage:?}: {line}");
    }
    // Silence, and a face that goes in mid-line.
    let _silent = UnixStream::connect(&socket).expect("the hub listens");
    UnixStream::connect(&socket).expect("the hub listens").write_all(b"{").expect("it reads");
    sandbox.run(&["status"]);
    sandbox.run(&["down"]);
}

/// A stand-in for the agent's binary that answers with `words`.
fn up_with_agent(sandbox: &Sandbox, words: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let fake = sandbox.path().join("fake-agent");
    std::fs::write(&fake, format!("#!/bin/sh\nprintf '{words}'\n")).expect("a file");
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut up = sandbox.command(&["up", "local:../there", "--sync", ".:/app"]);
    let output = up.env("TOWLINE_AGENT_BIN", fake).output().expect("towline can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    said
}

#[test]
fn an_agent_of_another_version_is_refused_with_both_versions() {
    let sandbox = Sandbox::new();
    let said = up_with_agent(&sandbox, "TOWLINE\\001\\0059.9.9");
    let ours = protocol::version::VERSION;
    for words in ["version mismatch", ours, "9.9.9", "install both from one build", "help:"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn an_agent_that_is_something_else_is_quoted() {
    let sandbox = Sandbox::new();
    let said = up_with_agent(&sandbox, "Welcome to the wrong machine\\n");
    for words in ["expected towline's hello", "Welcome to the wrong machine", "help:"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let sandbox = Sandbox::new();
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    check(&sandbox, &["sync", "pause", "--name", "ap"], 2, &["no sync `ap`", "app"]);
    check(&sandbox, &["restart"], 1, &["no app", "-- CMD"]);
    check(&sandbox, &["exec", "-e", "NAME", "--", "true"], 2, &["NAME=VALUE"]);
    sandbox.run(&["down"]);
}
