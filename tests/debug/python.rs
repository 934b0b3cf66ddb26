//! Python.

use std::time::{Duration, Instant};

use harness::debuggee::Checker;
use serde_json::json;

use crate::world::{Language, World};

pub const PYTHON: Language = Language {
    file: "server.py",
    build: None,
    run: &["python3", "server.py"],
    runtime: "python 3.",
    evaluate: ("total + n * 10", "30"),
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
