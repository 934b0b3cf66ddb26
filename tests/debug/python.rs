//! Python.

use std::time::{Duration, Instant};

use harness::dap::Dap;
use harness::debuggee::Checker;
use serde_json::json;

use crate::world::{Language, World};

pub const PYTHON: Language = Language {
    file: "server.py",
    build: None,
    run: &["python3", "server.py"],
    runtime: "python 3.",
    evaluate: ("total + n * 10", "30"),
    module: None,
};

#[test]
fn a_python_server_is_debugged_and_goes_on() {
    World::new(PYTHON).journey(&[]);
}

#[test]
fn a_second_session_follows_the_first() {
    let mut world = World::new(PYTHON);
    world.journey(&[]);
    world.journey(&[]);
}

/// Every Python of this machine that debugpy is for: those of pyenv and of the PATH.
#[test]
fn every_python_from_3_8_to_3_13_is_debugged() {
    let home = std::env::var("HOME").expect("a user has a home");
    let versions = std::fs::read_dir(format!("{home}/.pyenv/versions")).into_iter().flatten();
    let mut programs: Vec<String> = versions
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let minor = name.strip_prefix("3.").and_then(|rest| rest.split('.').next());
            minor.and_then(|text| text.parse::<u32>().ok()).is_some_and(|minor| minor >= 8)
        })
        .map(|entry| entry.path().join("bin/python3").display().to_string())
        .collect();
    programs.push("python3".to_owned());
    programs.sort();
    for program in programs {
        let run: &'static [&'static str] =
            Vec::leak(vec![&*String::leak(program.clone()), "server.py"]);
        println!("{program}");
        World::new(Language { run, ..PYTHON }).journey(&[]);
    }
}

#[test]
fn conditions_counts_log_points_and_exceptions_are_those_of_the_adapter() {
    let mut world = World::new(PYTHON);
    let (file, line) = (world.file().display().to_string(), world.line());
    let mut dap = world.dap(&[]);
    dap.attach(&file, &[]);
    let set = |dap: &mut Dap, breakpoint: serde_json::Value| {
        let arguments = json!({ "source": { "path": file }, "breakpoints": [breakpoint] });
        dap.call("setBreakpoints", arguments);
    };
    let value_of_i = |dap: &mut Dap| {
        let (thread, frames) = dap.stopped();
        let frame = frames[0]["id"].clone();
        let asked = json!({ "expression": "i", "frameId": frame, "context": "watch" });
        let value = dap.call("evaluate", asked)["result"].clone();
        dap.call("continue", json!({ "threadId": thread }));
        value
    };
    set(&mut dap, json!({ "line": line, "condition": "i == 2" }));
    let asked = world.app.ask("/work/3");
    assert_eq!(value_of_i(&mut dap), "2");
    asked.join().expect("no panic").expect("an answer");
    set(&mut dap, json!({ "line": line, "hitCondition": "3" }));
    let asked = world.app.ask("/work/3");
    assert_eq!(value_of_i(&mut dap), "3");
    asked.join().expect("no panic").expect("an answer");
    set(&mut dap, json!({ "line": line, "logMessage": "i is {i}" }));
    world.app.assert_serves();
    dap.until("the log point", |message| {
        message["body"]["output"].as_str().is_some_and(|text| text.contains("i is 3"))
    });
    set(&mut dap, json!({ "line": 1 }));
    dap.call("setExceptionBreakpoints", json!({ "filters": ["raised"] }));
    let asked = world.app.ask("/work/x");
    let (thread, frames) = dap.stopped();
    assert_eq!(frames[0]["source"]["path"], *file, "{frames}");
    dap.call("setExceptionBreakpoints", json!({ "filters": [] }));
    dap.call("continue", json!({ "threadId": thread }));
    let _ = asked.join().expect("no panic"); // the server fails to answer it
    dap.call("disconnect", json!({}));
    world.app.assert_serves();
}

#[test]
fn a_second_editor_is_told_that_somebody_is_there() {
    let mut world = World::new(PYTHON);
    let mut first = world.dap(&[]);
    first.attach(&world.file().display().to_string(), &[]);
    let mut second = world.dap(&[]);
    let seq = second.ask("initialize", json!({}));
    let error = second.answer(seq).expect_err("one at a time");
    assert!(error.contains("being debugged already"), "{error}");
    first.call("disconnect", json!({}));
    first.rest();
    world.app.assert_serves();
}

#[test]
fn running_code_can_be_forbidden() {
    let world = World::new(PYTHON);
    let (file, line) = (world.file().display().to_string(), world.line());
    let mut dap = world.dap(&["--no-evaluate"]);
    dap.attach(&file, &[line]);
    let asked = world.app.ask("/work/3");
    let (thread, frames) = dap.stopped();
    let frame = frames[0]["id"].clone();
    let seq = dap.ask("evaluate", json!({ "expression": "1 + 1", "frameId": frame }));
    assert!(dap.answer(seq).expect_err("forbidden").contains("forbidden"));
    dap.set_breakpoints(&file, &[]);
    dap.call("continue", json!({ "threadId": thread }));
    asked.join().expect("no panic").expect("an answer");
}

/// A client of the protocol on a port, as some editors want it.
#[test]
fn a_port_takes_one_session_after_the_other() {
    let mut world = World::new(PYTHON);
    let pid = world.app.pid().to_string();
    let mut command = world.command(&["dap", "--process", &pid, "--listen", "0", "--json"]);
    let mut listening = command.stdout(std::process::Stdio::piped()).spawn().expect("towline");
    let mut line = String::new();
    let out = listening.stdout.take().expect("stdout is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("a line");
    let told: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
    let address = told["listening"].as_str().expect("an address").to_owned();
    for _ in 0..2 {
        let mut dap = Dap::connect(&address);
        dap.attach(&world.file().display().to_string(), &[world.line()]);
        let asked = world.app.ask("/work/3");
        let (thread, _) = dap.stopped();
        dap.set_breakpoints(&world.file().display().to_string(), &[]);
        dap.call("continue", json!({ "threadId": thread }));
        asked.join().expect("no panic").expect("an answer");
        dap.call("disconnect", json!({}));
        dap.rest();
    }
    listening.kill().expect("it can be killed");
    listening.wait().expect("it can be waited for");
    world.app.assert_serves();
}

/// The heartbeat is in the app itself: it beats each millisecond while it may.
#[test]
fn the_app_stands_still_for_a_moment_only_while_it_is_attached_to() {
    let world = World::with(PYTHON, &["0.05"]);
    let gap = || {
        let answer = world.app.get("/gap", Duration::from_secs(10)).expect("the app answers");
        answer.rsplit('=').next().and_then(|text| text.parse::<u64>().ok()).expect("a number")
    };
    gap();
    let checker = Checker::start(world.app.port);
    checker.more(200);
    checker.end();
    let before = gap();
    let began = Instant::now();
    let mut dap = world.dap(&[]);
    dap.attach(&world.file().display().to_string(), &[world.line()]);
    let took = began.elapsed();
    let during = gap();
    dap.call("disconnect", json!({}));
    let told = dap.rest();
    let still = told.iter().find(|message| message.to_string().contains("stood still"));
    println!(
        "breakpoints set after {took:?}; longest gap of a 1 ms heartbeat {during} µs (before: \
         {before} µs); {}",
        still.map(ToString::to_string).unwrap_or_default()
    );
    assert!(during < 1_000_000, "{during} µs");
}
