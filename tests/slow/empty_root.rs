//! The agent as one static file in a root that holds nothing else: no `/proc`,
//! no `/dev`, no `/tmp`, no `/etc`. Everything it is for works there.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness::bins::static_agent;
use harness::sandbox::Sandbox;
use harness::wait;
use serde_json::Value;

/// A stand-in for the agent's binary that runs it with `root` as its root.
fn jailed(sandbox: &Sandbox, root: &Path) -> std::path::PathBuf {
    fs::copy(static_agent(), root.join("towline-agent")).expect("the agent can be copied");
    let script = format!(
        "#!/bin/sh\nexec chroot {} /towline-agent attach --start --state-dir /state --root /\n",
        root.display()
    );
    let path = sandbox.path().join("jailed");
    fs::write(&path, script).expect("it can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode can be set");
    path
}

fn entries(root: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(root)
        .expect("the root")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_static_agent_works_in_an_empty_root() {
    assert!(rustix::process::geteuid().is_root(), "chroot needs root: run this suite as root");
    let sandbox = Sandbox::new();
    let root = sandbox.there();
    let agent = jailed(&sandbox, &root);
    fs::write(sandbox.workspace().join("a.txt"), "hello").expect("a file");
    let server = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = server.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut client in server.incoming().flatten() {
            let _ = client.write_all(b"from the target");
        }
    });

    let forward = format!("0:{port}");
    let mut up =
        sandbox.command(&["up", "local:../there", "--sync", ".:/app", "--forward", &forward]);
    let output = up.env("TOWLINE_AGENT_BIN", &agent).output().expect("towline can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{}", sandbox.logs());
    assert_eq!(entries(&root), ["app", "state", "towline-agent"], "nothing but what is asked for");

    // Sync, both ways, also what comes later: the watch works without /proc.
    let there = root.join("app");
    assert_eq!(fs::read_to_string(there.join("a.txt")).expect("it is synced"), "hello");
    fs::create_dir(there.join("sub")).expect("a folder");
    fs::write(there.join("sub/b.txt"), "back").expect("a file");
    let back = sandbox.workspace().join("sub/b.txt");
    wait::until("the edit to come back", || {
        (fs::read(&back).unwrap_or_default() == b"back").then_some(())
    });

    // A forward, to `localhost`, which no /etc/hosts explains.
    let status: Value =
        serde_json::from_str(&sandbox.run(&["status", "--json"])).expect("status is JSON");
    let local = status["forwards"][0]["local"][0].as_str().expect("an address").to_owned();
    let mut answer = String::new();
    let mut client = std::net::TcpStream::connect(local).expect("the forward listens");
    client.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "from the target", "{}", sandbox.logs());

    // A command: the only one there is.
    let version = sandbox.run(&["exec", "--", "/towline-agent", "--version"]);
    assert!(version.starts_with("towline-agent "), "{version}");
    // What cannot be is refused in words.
    for (args, says) in [
        (&["exec", "--", "ls"][..], "`ls`"),
        (&["shell"][..], "shell"),
        (&["exec", "--tty", "--", "/towline-agent", "--version"][..], "terminal"),
    ] {
        let output = sandbox.try_run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{args:?}: {said}");
    }

    sandbox.run(&["down"]);
    wait::until("the agent to be gone", || sandbox.leftovers().is_empty().then_some(()));
    assert_eq!(entries(&root), ["app", "towline-agent"], "only what was synced stays");
}
