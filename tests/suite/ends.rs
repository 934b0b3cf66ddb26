//! Suite: how things end, by a word, a signal or a kill, and what is left then.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use harness::sandbox::Sandbox;
use harness::{tree, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::{assert_echoes, echo, stdout};

const SYNC: [&str; 4] = ["up", "local:../there", "--sync", ".:/app"];

fn pid(value: &Value) -> Pid {
    let pid = value.as_i64().and_then(|pid| i32::try_from(pid).ok());
    pid.and_then(Pid::from_raw).expect("a process id")
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).expect("it runs");
    wait::until("it to be gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        // A zombie holds nothing any more.
        stat.map_or(Some(()), |stat| stat.contains(") Z").then_some(()))
    });
}

#[test]
fn a_killed_hub_is_started_again_and_goes_on() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a.txt = hello");
    let port = echo();
    sandbox.run(&SYNC);
    sandbox.run(&["forward", &format!("0:{port}")]);
    let before = sandbox.status();
    kill(pid(&before["pid"]));
    std::fs::write(sandbox.workspace().join("meanwhile.txt"), "edit").expect("a file");

    let after = sandbox.status();
    assert_ne!(before["pid"], after["pid"]);
    sandbox.run(&["up"]);
    let synced = std::fs::read_to_string(sandbox.there().join("app/meanwhile.txt"));
    assert_eq!(synced.expect("it is synced"), "edit");
    let after = sandbox.status();
    assert_eq!(after["readiness"]["state"], "ready");
    assert_echoes(after["forwards"][0]["local"][0].as_str().expect("an address"));
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}

#[test]
fn what_a_killed_hub_leaves_doctor_removes() {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), "a.txt = hello");
    sandbox.run(&[&SYNC[..], &["--", "sleep", "1000"]].concat());
    let looked = sandbox.try_run(&["doctor"]);
    assert!(stdout(&looked).contains("no leftovers"), "a living hub's things: {looked:?}");
    kill(pid(&sandbox.status()["pid"]));
    // The last of its threads gives the lock back.
    wait::until("doctor to see that the hub is gone", || {
        let looked = sandbox.try_run(&["doctor"]);
        (looked.status.code() == Some(1) && stdout(&looked).contains("its hub is gone"))
            .then_some(())
    });
    assert!(!sandbox.leftovers().is_empty(), "looking removes nothing");
    let fixed = sandbox.try_run(&["doctor", "--fix"]);
    assert!(stdout(&fixed).contains("removed"), "{}", stdout(&fixed));
    sandbox.assert_nothing_left();
    sandbox.run(&SYNC);
    sandbox.run(&["down"]);
}

#[test]
fn a_killed_app_is_reported_and_runs_again_on_demand() {
    let sandbox = Sandbox::new();
    sandbox.run(&[&SYNC[..], &["--", "sleep", "1000"]].concat());
    let running = sandbox.status();
    assert_eq!(running["app"]["state"], "running", "{running}");
    kill(pid(&running["app"]["pid"]));
    let ended = wait::until("its end to be told", || {
        Some(sandbox.status()).filter(|status| status["app"]["state"] != "running")
    });
    assert_eq!(ended["app"]["state"], "exited", "{ended}");
    assert_eq!(ended["app"]["signal"], 9, "{ended}");
    assert!(sandbox.run(&["status"]).contains("signal 9"), "{}", sandbox.run(&["status"]));
    sandbox.run(&["restart"]);
    assert_eq!(sandbox.status()["app"]["state"], "running");
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}

#[test]
fn a_killed_bootstrap_is_replaced_under_what_runs() {
    let sandbox = Sandbox::new();
    let port = echo();
    sandbox.run(&SYNC);
    sandbox.run(&["forward", &format!("0:{port}")]);
    let bootstrap = || {
        let mut found = sandbox.leftovers().into_iter();
        found.find(|(_, line)| line.contains("towline-agent attach")).map(|(pid, _)| pid)
    };
    let first = wait::until("a bootstrap", bootstrap);
    kill(Pid::from_raw(first).expect("a process id"));
    let status = sandbox.status();
    assert_echoes(status["forwards"][0]["local"][0].as_str().expect("an address"));
    std::fs::write(sandbox.workspace().join("after.txt"), "edit").expect("a file");
    sandbox.run(&["sync", "wait"]);
    let synced = std::fs::read_to_string(sandbox.there().join("app/after.txt"));
    assert_eq!(synced.expect("it is synced"), "edit");
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}

#[test]
fn a_signal_ends_the_foreground_and_the_demo_and_all_they_made() {
    let foreground = [&SYNC[..], &["--foreground", "--", "sleep", "1000"]].concat();
    let demo = ["demo", "--port", "0"];
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for (args, ready) in [(&foreground[..], "in sync"), (&demo, "Ctrl-C ends the demo")] {
            let sandbox = Sandbox::new();
            tree::write(&sandbox.workspace(), "a.txt = hello");
            let mut command = sandbox.command(args);
            let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
            let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
            let mut said = Vec::new();
            while !said.last().is_some_and(|line: &String| line.contains(ready)) {
                said.push(lines.next().unwrap_or_else(|| panic!("{said:#?}")).expect("text"));
            }
            kill_process(Pid::from_child(&process), signal).expect("it runs");
            said.extend(lines.map_while(Result::ok));
            let ended = process.wait().expect("it ends");
            assert!(ended.success(), "{signal:?} at {args:?}: {ended}, {said:#?}");
            sandbox.assert_nothing_left();
        }
    }
}

#[test]
fn the_demo_shows_an_edit_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let said = sandbox.run(&["demo", "--once", "--port", "0"]);
    assert!(said.contains("OK: the edit was in http://"), "{said}");
    sandbox.assert_nothing_left();
    let temp: Vec<_> = std::fs::read_dir(sandbox.path().join("home"))
        .expect("the temp directory")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("towline-demo-"))
        .collect();
    assert!(temp.is_empty(), "{temp:?}");
}
