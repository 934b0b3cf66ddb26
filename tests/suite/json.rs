//! Suite: what programs read. The keys of each command's JSON are pinned: they
//! are only added to, and an addition is made here as well.

use std::collections::BTreeSet;
use std::fs;

use harness::sandbox::Sandbox;
use harness::wait;
use serde_json::Value;

/// The keys of `value` are exactly these, separated by spaces.
fn keys(value: &Value, expected: &str) {
    let found: BTreeSet<&str> = match value.as_object() {
        Some(object) => object.keys().map(String::as_str).collect(),
        None => panic!("no object: {value}"),
    };
    let expected: BTreeSet<&str> = expected.split_whitespace().collect();
    assert_eq!(found, expected, "{value}");
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Runs `towline ARGS --json`, which has to succeed with one document.
fn one(sandbox: &Sandbox, args: &[&str]) -> Value {
    let mut all = lines(&sandbox.run(&[&["--json"], args].concat()));
    assert_eq!(all.len(), 1, "{args:?}: {all:?}");
    let value = all.remove(0);
    assert_eq!(value["schema"], 1, "{args:?}: {value}");
    value
}

/// Runs `towline ARGS --json`, which has to fail so; standard error stays empty.
fn fails(sandbox: &Sandbox, args: &[&str], code: i32, name: &str) {
    let output = sandbox.try_run(&[&["--json"], args].concat());
    let all = lines(&String::from_utf8_lossy(&output.stdout));
    let value = all.last().unwrap_or_else(|| panic!("{args:?} prints nothing"));
    keys(value, "schema error");
    keys(&value["error"], "code message help");
    assert_eq!((output.status.code(), value["error"]["code"].as_str()), (Some(code), Some(name)));
    assert!(value["error"]["help"].is_string(), "{args:?} does not say what to do: {value}");
    assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

const STATUS: &str =
    "schema version pid workspace target readiness link syncs forwards app hooks warnings";
const SYNC: &str = "name alpha beta on_change files bytes pending pending_bytes applied_beta \
                    applied_alpha conflicts problems degraded recent phase";
const FORWARD: &str = "spec local remote protocol instead_of open total bytes_out bytes_in \
                       last_error";

#[test]
fn the_keys_of_each_command_s_json_are_stable() {
    let sandbox = Sandbox::new();
    let up = ["up", "local:../there", "--sync", ".:/app", "--forward", "0:1", "--on-change"];
    let app = ["run: true", "--", "sh", "-c", "echo served; exec sleep 1000"];
    let all = lines(&sandbox.run(&[&["--json"], &up[..], &app[..]].concat()));
    all.iter().for_each(|status| keys(status, STATUS));
    assert_eq!(all.last().expect("a last line")["readiness"]["state"], "ready");
    fs::write(sandbox.workspace().join("a"), "edit").expect("an edit");

    keys(&one(&sandbox, &["sync", "wait"]), "schema syncs");
    let status = one(&sandbox, &["status"]);
    keys(&status, STATUS);
    keys(&status["link"], "state carrier bootstrap rtt_us passed");
    keys(&status["syncs"][0], SYNC);
    keys(&status["syncs"][0]["phase"], "phase");
    keys(&status["syncs"][0]["recent"][0], "path direction latency_us");
    keys(&status["forwards"][0], FORWARD);
    keys(&status["app"], "command state pid starts");
    keys(&status["hooks"][0], "sync action running runs last_error");
    for action in ["list", "pause", "resume", "wait"] {
        let value = one(&sandbox, &["sync", action]);
        keys(&value, "schema syncs");
        keys(&value["syncs"][0], SYNC);
    }
    keys(&one(&sandbox, &["sync", "why", "a"]), "schema path why");
    keys(&one(&sandbox, &["sync", "conflicts"]), "schema conflicts");
    keys(&one(&sandbox, &["forward", "list"])["forwards"][0], FORWARD);
    let opened = one(&sandbox, &["forward", "add", "0:2"]);
    keys(&opened, "schema opened");
    keys(&opened["opened"], FORWARD);
    keys(&one(&sandbox, &["forward", "remove", "0:2"]), "schema closed");
    keys(&one(&sandbox, &["restart"]), "schema app");
    keys(&one(&sandbox, &["cp", "a", ":/app/b"]), "schema files bytes skipped skipped_count");
    wait::until("the app's output", || sandbox.run(&["logs"]).contains("served").then_some(()));
    let logs = lines(&sandbox.run(&["logs", "--json"]));
    logs.iter().for_each(|line| keys(line, "schema at_us source text"));
    let doctor = sandbox.try_run(&["doctor", "--json"]);
    let doctor: Value = serde_json::from_slice(&doctor.stdout).expect("doctor is JSON");
    keys(&doctor, "schema ok findings leftovers");
    keys(&doctor["findings"][0], "what level text help");
    keys(&one(&sandbox, &["down"]), "schema ended");
}

#[test]
fn failures_are_json_with_a_code_and_advice() {
    let sandbox = Sandbox::new();
    fails(&sandbox, &["status"], 3, "not_up");
    fails(&sandbox, &["up", "local:../missing"], 4, "unreachable");
    fails(&sandbox, &["up", "nowhere"], 2, "usage");
    fails(&sandbox, &["dance"], 2, "usage");
    fails(&sandbox, &["sync", "resolve", "a"], 2, "usage");
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    fails(&sandbox, &["up", "local:../there", "--forward", "1"], 5, "conflict");
    fails(&sandbox, &["forward", "remove", "1"], 1, "failure");
    fails(&sandbox, &["sync", "undo"], 1, "failure");
    fails(&sandbox, &["cp", "missing", ":/app/x"], 1, "not_found");
    sandbox.run(&["down"]);
}

#[test]
fn where_nobody_looks_lines_are_plain() {
    let sandbox = Sandbox::new();
    let output = sandbox
        .command(&["up", "local:../there", "--sync", ".:/app"])
        .env_remove("NO_COLOR")
        .output()
        .expect("towline can be started");
    for said in [&output.stdout, &output.stderr] {
        assert!(!said.contains(&0x1b) && !said.contains(&b'\r'), "{said:?}");
    }
    sandbox.run(&["down"]);
}
