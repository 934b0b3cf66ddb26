//! Suite: the target's processes, and what a debug adapter says where nothing can be done.

use std::process::{Child, Command, Stdio};

use harness::dap::Dap;
use harness::sandbox::Sandbox;
use harness::wait;
use serde_json::{Value, json};

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

fn start(sandbox: &Sandbox, program: &str, args: &[&str]) -> Running {
    let mut command = Command::new(program);
    command.args(args).current_dir(sandbox.there()).stdin(Stdio::null()).stdout(Stdio::null());
    Running(command.spawn().expect("the program can be started"))
}

fn processes(sandbox: &Sandbox) -> Vec<Value> {
    let document: Value = serde_json::from_str(&sandbox.run(&["ps", "--json"])).expect("JSON");
    assert_eq!(document["schema"], 1);
    document["processes"].as_array().expect("a list").clone()
}

#[test]
fn the_targets_processes_are_listed_with_what_a_debugger_may_do() {
    let sandbox = Sandbox::new();
    let code = "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); \
                time.sleep(1000)";
    let python = start(&sandbox, "python3", &["-c", code]);
    let sleep = start(&sandbox, "sleep", &["1000"]);
    sandbox.run(&["up", "local:../there", "--sync", ".:/app", "--", "sleep", "999"]);
    let listed = |pid: u32| {
        let all = processes(&sandbox);
        all.into_iter().find(|process| process["pid"] == pid)
    };
    let found = wait::until("python to listen", || {
        listed(python.0.id()).filter(|process| process["ports"][0].is_number())
    });
    assert_eq!(found["language"], "python", "{found}");
    assert!(found["runtime"].as_str().is_some_and(|text| text.starts_with("python 3.")), "{found}");
    assert_eq!(found["attach"], json!({ "state": "yes", "reason": null }), "{found}");
    assert_eq!(found["parent"], std::process::id(), "{found}");
    let sleeping = listed(sleep.0.id()).expect("it is listed");
    assert_eq!(sleeping["attach"]["state"], "needs", "{sleeping}");
    let reason = sleeping["attach"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("debug information"), "{sleeping}");
    let all = processes(&sandbox);
    assert!(all.iter().any(|process| process["app"] == true), "{all:?}");
    assert!(!all.iter().any(|process| process.to_string().contains("towline-agent")), "{all:?}");
    let table = sandbox.run(&["ps"]);
    assert!(table.starts_with("PID") && table.contains("python 3."), "{table}");
    let told = sandbox.run(&["debug", &python.0.id().to_string()]);
    assert!(told.contains("dap --process") && told.contains("\"type\": \"towline\""), "{told}");
    sandbox.run(&["down"]);
}

#[test]
fn a_session_that_cannot_be_is_answered_in_the_protocol_with_the_reason() {
    let sandbox = Sandbox::new();
    let check = |process: &str, expected: &str| {
        let mut dap = Dap::start(sandbox.command(&["dap", "--process", process]));
        let seq = dap.ask("initialize", json!({}));
        let error = dap.answer(seq).expect_err("it cannot be");
        assert!(error.contains(expected), "{error}");
        assert_ne!(dap.end(), Some(0));
    };
    check("7", "nothing is up");
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    let sleep = start(&sandbox, "sleep", &["1000"]);
    check("nobody", "there is no process `nobody`");
    check(&sleep.0.id().to_string(), "debug information");
    sandbox.run(&["down"]);
    sandbox.assert_nothing_left();
}
