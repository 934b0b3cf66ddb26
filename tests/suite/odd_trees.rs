//! Suite: odd trees. What cannot be synced is listed and holds nothing else up;
//! a name that is no text is a name like any other.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use harness::bins::bins;
use harness::sandbox::Sandbox;
use harness::wait;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

/// The user that owns nothing.
const NOBODY: u32 = 65_534;

/// The listed problems as `path: why`.
fn problems(status: &Value) -> Vec<String> {
    let mut problems: Vec<_> = status["syncs"][0]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| format!("{}: {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    problems.sort();
    problems
}

fn special(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    drop(UnixListener::bind(folder.join("socket")).unwrap());
}

#[test]
fn sockets_pipes_and_devices_are_listed_and_the_rest_syncs() {
    let sandbox = Sandbox::new();
    assert!(rustix::process::geteuid().is_root(), "device nodes need root");
    special(&sandbox.workspace().join("odd"));
    let null = rustix::fs::makedev(1, 3);
    let device = sandbox.workspace().join("odd/device");
    mknodat(CWD, device, FileType::CharacterDevice, Mode::from_raw_mode(0o644), null).unwrap();
    fs::write(sandbox.workspace().join("odd/file"), "here").unwrap();
    special(&sandbox.there().join("app/theirs"));
    fs::write(sandbox.there().join("app/theirs/file"), "there").unwrap();
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    assert_eq!(
        problems(&sandbox.status()),
        [
            "odd/device: a device cannot be synced",
            "odd/pipe: a pipe cannot be synced",
            "odd/socket: a socket cannot be synced",
            "theirs/pipe: a pipe cannot be synced",
            "theirs/socket: a socket cannot be synced",
        ]
    );
    assert_eq!(fs::read_to_string(sandbox.there().join("app/odd/file")).unwrap(), "here");
    assert_eq!(fs::read_to_string(sandbox.workspace().join("theirs/file")).unwrap(), "there");
    let why = sandbox.run(&["sync", "why", "odd/pipe"]);
    assert!(why.contains("a pipe cannot be synced"), "{why}");
    // One that becomes a file is a file.
    fs::remove_file(sandbox.workspace().join("odd/pipe")).unwrap();
    fs::write(sandbox.workspace().join("odd/pipe"), "file").unwrap();
    sandbox.run(&["sync", "wait"]);
    assert_eq!(fs::read_to_string(sandbox.there().join("app/odd/pipe")).unwrap(), "file");
    sandbox.run(&["down"]);
}

/// `towline ARGS` as a user to whom permission bits mean something.
fn as_nobody(sandbox: &Sandbox, args: &[&str]) -> Output {
    let like = sandbox.command(&[]);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(sandbox.path().join("bin/towline")).args(args).current_dir(sandbox.workspace());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.output().expect("setpriv is there")
}

fn give_to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    for entry in path.is_dir().then(|| fs::read_dir(path).unwrap()).into_iter().flatten() {
        give_to_nobody(&entry.unwrap().path());
    }
}

/// A sandbox that another user lives in, with the programs in his reach.
fn of_nobody(fill: impl Fn(&Sandbox)) -> Sandbox {
    assert!(rustix::process::geteuid().is_root(), "to become another user needs root");
    let sandbox = Sandbox::new();
    let bin = sandbox.path().join("bin");
    fs::create_dir(&bin).unwrap();
    for program in [&bins().towline, &bins().agent] {
        fs::copy(program, bin.join(program.file_name().unwrap())).unwrap();
    }
    fill(&sandbox);
    give_to_nobody(sandbox.path());
    sandbox
}

#[test]
fn files_and_folders_that_cannot_be_read_are_listed_and_the_rest_syncs() {
    let sandbox = of_nobody(|sandbox| {
        let closed = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        };
        fs::write(sandbox.workspace().join("open"), "text").unwrap();
        fs::write(sandbox.workspace().join("closed"), "secret").unwrap();
        closed(&sandbox.workspace().join("closed"));
    });
    let folder = sandbox.workspace().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap(); // root's
    let up = as_nobody(&sandbox, &["up", "local:../there", "--sync", ".:/app"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let shown = as_nobody(&sandbox, &["status", "--json"]);
    let status: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let problems = problems(&status);
    for name in ["closed: ", "folder: "] {
        assert!(
            problems.iter().any(|line| line.starts_with(name) && line.contains("ermission denied")),
            "{name} is missing in {problems:#?}"
        );
    }
    assert_eq!(fs::read_to_string(sandbox.there().join("app/open")).unwrap(), "text");
    assert!(!sandbox.there().join("app/closed").exists());
    // What can be read again is synced.
    let closed = sandbox.workspace().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    wait::until("it to be synced", || {
        (fs::read(sandbox.there().join("app/closed")).unwrap_or_default() == b"secret")
            .then_some(())
    });
    as_nobody(&sandbox, &["down"]);
}

#[test]
fn a_target_without_the_right_to_write_is_said() {
    let sandbox = of_nobody(|_| {});
    let there = sandbox.there();
    chown(&there, Some(0), Some(0)).unwrap();
    let up = as_nobody(&sandbox, &["up", "local:../there", "--sync", ".:/app"]);
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(4), "{said}");
    for words in ["is not writable", "ermission denied", "help: change its rights"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn names_that_are_not_utf_8_sync_both_ways_and_can_be_asked_for() {
    let sandbox = Sandbox::new();
    let name = |bytes: &[u8]| OsString::from(OsStr::from_bytes(bytes));
    let (ours, theirs) = (name(b"caf\xe9.txt"), name(b"\xff\xfe\x1b[31m"));
    fs::write(sandbox.workspace().join(&ours), "ours").unwrap();
    fs::create_dir_all(sandbox.there().join("app")).unwrap();
    fs::write(sandbox.there().join("app").join(&theirs), "theirs").unwrap();
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    assert_eq!(fs::read_to_string(sandbox.there().join("app").join(&ours)).unwrap(), "ours");
    assert_eq!(fs::read_to_string(sandbox.workspace().join(&theirs)).unwrap(), "theirs");

    let shown = sandbox.run(&["sync", "list"]);
    for escaped in [r"caf\xe9.txt", r"\xff\xfe\x1b[31m"] {
        assert!(shown.contains(escaped), "{escaped}: {shown}");
        let why = sandbox.run(&["sync", "why", escaped]);
        assert!(why.contains("in sync"), "{escaped}: {why}");
    }
    let raw = sandbox.command(&["sync", "why", "--json"]).arg(&ours).output().unwrap();
    let why: Value = serde_json::from_slice(&raw.stdout).unwrap();
    assert_eq!(why["path"], r"caf\xe9.txt");
    assert!(why["why"].as_str().unwrap().contains("in sync"), "{why}");

    // Edits and deletions of such a name travel as well.
    fs::write(sandbox.there().join("app").join(&ours), "edited").unwrap();
    fs::remove_file(sandbox.workspace().join(&theirs)).unwrap();
    sandbox.run(&["sync", "wait"]);
    assert_eq!(fs::read_to_string(sandbox.workspace().join(&ours)).unwrap(), "edited");
    assert!(!sandbox.there().join("app").join(&theirs).exists());
    sandbox.run(&["down"]);
}
