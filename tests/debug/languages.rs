//! Go, C and Node.

use crate::world::{Language, World};

const GO: Language = Language {
    file: "server.go",
    build: Some(&["go", "build", "-gcflags=all=-N -l", "-o", "server", "server.go"]),
    run: &["./server"],
    runtime: "go 1.",
    evaluate: ("total + n * 10", "30"),
};

const C: Language = Language {
    file: "server.c",
    build: Some(&["gcc", "-g", "-O0", "-pthread", "-o", "server", "server.c"]),
    run: &["./server"],
    runtime: "native, debug info",
    evaluate: ("total + n * 10", "30"),
};

const NODE: Language = Language {
    file: "server.js",
    build: None,
    run: &["node", "server.js"],
    runtime: "node",
    evaluate: ("total + n * 10", "30"),
};

#[test]
fn a_node_server_is_debugged_and_goes_on() {
    World::new(NODE).journey(&[]);
}

#[test]
fn a_go_server_is_debugged_and_goes_on() {
    World::new(GO).journey(&[]);
}

#[test]
fn a_c_server_is_debugged_by_lldb_and_goes_on() {
    World::new(C).journey(&["--adapter", "lldb-dap-22"]);
}

#[test]
fn a_c_server_is_debugged_by_gdb_and_goes_on() {
    let gdb = harness::debuggee::adapters().join("bin/gdb").display().to_string();
    World::new(C).journey(&["--adapter", &gdb]);
}
