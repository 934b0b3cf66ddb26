//! Nothing that happens to an editor, a hub, an agent or the link kills or freezes the app.

use std::time::{Duration, Instant};

use harness::dap::Dap;
use harness::debuggee::Checker;
use harness::wait;
use rustix::process::{Pid, Signal, kill_process};

use crate::languages::{C, GO, NODE, gdb};
use crate::python::PYTHON;
use crate::world::{Language, World};

/// As the tests set it.
const LEASE: Duration = Duration::from_secs(1);

/// How long after the lease the app has to answer again.
const AFTER_LEASE: Duration = Duration::from_secs(2);

/// What happens while the app stands at a breakpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The editor's adapter process is killed.
    Editor,
    /// The hub is killed; nobody tells the agent.
    Hub,
    /// The agent is killed.
    Agent,
    /// Somebody runs `towline down`.
    Down,
}

const FAULTS: [Fault; 4] = [Fault::Editor, Fault::Hub, Fault::Agent, Fault::Down];

impl Fault {
    fn happen(self, world: &World, dap: &mut Dap) {
        match self {
            Self::Editor => dap.kill(),
            Self::Hub => kill_named(world, "towline hub"),
            Self::Agent => kill_named(world, "towline-agent serve"),
            Self::Down => {
                world.sandbox.run(&["down"]);
            }
        }
    }
}

fn kill_named(world: &World, name: &str) {
    let processes = world.sandbox.leftovers();
    let found = processes.iter().filter(|(_, line)| line.contains(name));
    let pids: Vec<i32> = found.map(|(pid, _)| *pid).collect();
    assert!(!pids.is_empty(), "no {name} in {processes:?}");
    for pid in pids {
        let pid = Pid::from_raw(pid).expect("a process has an id");
        kill_process(pid, Signal::KILL).expect("it can be killed");
    }
}

/// The fault comes while a request stands at a breakpoint: it is answered in time, and so is
/// everything after it.
fn survives(language: Language, more: &[&str]) {
    for fault in FAULTS {
        let mut world = World::new(language);
        let mut dap = world.dap(&[&["--lease", "1"], more].concat());
        dap.attach(&world.file().display().to_string(), &[world.line()]);
        let asked = world.app.ask("/work/3");
        dap.stopped();
        let checker = Checker::start(world.app.port);
        let began = Instant::now();
        fault.happen(&world, &mut dap);
        let answer = asked.join().expect("no panic").expect("the request is answered");
        let after = began.elapsed();
        assert!(answer.ends_with("total=14"), "{fault:?}: {answer}");
        println!("{}, {fault:?}: answered after {after:?}", language.file);
        // `down` ends much else as well.
        assert!(after < LEASE + AFTER_LEASE || fault == Fault::Down, "{fault:?}: {after:?}");
        checker.more(20);
        world.app.assert_untraced();
        world.app.assert_serves();
        checker.end();
        drop(dap);
        wait::until("the adapters to be gone", || {
            let left = world.sandbox.leftovers();
            let is_adapter = |line: &str| {
                ["debugpy.adapter", "dlv", "lldb", "gdb", "dapDebug"]
                    .iter()
                    .any(|name| line.contains(name))
            };
            (!left.iter().any(|(_, line)| is_adapter(line))).then_some(())
        });
    }
}

#[test]
fn a_python_app_survives_what_happens_to_its_debugger() {
    survives(PYTHON, &[]);
}

#[test]
fn a_go_app_survives_what_happens_to_its_debugger() {
    survives(GO, &[]);
}

#[test]
fn a_c_app_survives_what_happens_to_lldb() {
    survives(C, &["--adapter", "lldb-dap-22"]);
}

#[test]
fn a_c_app_survives_what_happens_to_gdb() {
    survives(C, &["--adapter", &gdb()]);
}

#[test]
fn a_node_app_survives_what_happens_to_its_debugger() {
    survives(NODE, &[]);
}

/// It runs, with a breakpoint that nobody has come to yet.
#[test]
fn a_breakpoint_is_gone_when_its_editor_was_killed() {
    for (language, more) in
        [(PYTHON, Vec::new()), (GO, Vec::new()), (C, vec!["--adapter", "lldb-dap-22"])]
    {
        let mut world = World::new(language);
        let mut dap = world.dap(&[&["--lease", "1"], &more[..]].concat());
        dap.attach(&world.file().display().to_string(), &[world.line()]);
        let checker = Checker::start(world.app.port);
        dap.kill();
        world.app.assert_untraced();
        checker.more(20);
        world.app.assert_serves();
        checker.end();
    }
}

/// The session's stream outlives what carries it.
#[test]
fn a_session_outlives_its_carrier() {
    let mut world = World::new(PYTHON);
    let mut dap = world.dap(&["--lease", "20"]);
    let file = world.file().display().to_string();
    dap.attach(&file, &[world.line()]);
    let asked = world.app.ask("/work/3");
    let (thread, _) = dap.stopped();
    kill_named(&world, "towline-agent attach");
    dap.set_breakpoints(&file, &[]);
    dap.call("continue", serde_json::json!({ "threadId": thread }));
    let answer = asked.join().expect("no panic").expect("an answer");
    assert!(answer.ends_with("total=14"), "{answer}");
    dap.call("disconnect", serde_json::json!({}));
    world.app.assert_serves();
}
