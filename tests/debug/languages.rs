//! Go, C and Node.

use crate::world::{Language, World};

pub const GO: Language = Language {
    file: "server.go",
    build: Some(&["go", "build", "-gcflags=all=-N -l", "-o", "server", "server.go"]),
    run: &["./server"],
    runtime: "go 1.",
    evaluate: ("total + n * 10", "30"),
    module: None,
};

pub const C: Language = Language {
    file: "server.c",
    build: Some(&["gcc", "-g", "-O0", "-pthread", "-o", "server", "server.c"]),
    run: &["./server"],
    runtime: "native, debug info",
    evaluate: ("total + n * 10", "30"),
    module: None,
};

pub const NODE: Language = Language {
    file: "server.js",
    build: None,
    run: &["node", "server.js"],
    runtime: "node",
    evaluate: ("total + n * 10", "30"),
    module: None,
};

/// A gdb that speaks DAP.
pub fn gdb() -> String {
    harness::debuggee::adapters().join("bin/gdb").display().to_string()
}

#[test]
fn a_node_server_is_debugged_and_goes_on() {
    World::new(NODE).journey(&[]);
}

#[test]
fn a_go_server_is_debugged_and_goes_on() {
    World::new(GO).journey(&[]);
}

/// Its paths are those of the module, which is here in another directory.
#[test]
fn a_go_server_whose_paths_were_trimmed_is_debugged() {
    let flags: &[&str] = &["go", "build", "-trimpath", "-gcflags=all=-N -l", "-o", "server", "."];
    let module = Some("example.com/sums");
    World::new(Language { build: Some(flags), module, ..GO }).journey(&[]);
}

/// Built elsewhere: its debug information names a directory that is nowhere any more.
#[test]
fn a_c_program_that_was_built_elsewhere_is_debugged() {
    let flags: &[&str] = &[
        "sh",
        "-c",
        "gcc -g -O0 -pthread -ffile-prefix-map=$PWD=/build/sums -o server $PWD/server.c",
    ];
    World::new(Language { build: Some(flags), ..C }).journey(&["--adapter", "lldb-dap-22"]);
}

#[test]
fn a_c_server_is_debugged_by_lldb_and_goes_on() {
    World::new(C).journey(&["--adapter", "lldb-dap-22"]);
}

#[test]
fn a_c_server_is_debugged_by_gdb_and_goes_on() {
    World::new(C).journey(&["--adapter", &gdb()]);
}
