//! How large the agent is, on disk and idle.

use std::process::Command;

use harness::sandbox::Sandbox;

use crate::table::{Table, Unit};
use crate::up;

pub fn bench(table: &mut Table) {
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built =
        Command::new("cargo").arg("agent-static").arg("--quiet").current_dir(&workspace).status();
    assert!(built.is_ok_and(|status| status.success()), "the static agent did not build");
    let agent = workspace.join("target/x86_64-unknown-linux-gnu/release/towline-agent");
    let packed = Command::new("zstd")
        .args(["-19", "-q", "-c"])
        .arg(&agent)
        .output()
        .expect("zstd can be started");
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let raw = std::fs::read(&agent).expect("agent can be read").len();
    table.goal("static agent, on disk", mib(raw), "-", Unit::Mebibytes);
    table.goal("static agent, compressed", mib(packed.stdout.len()), "≤ 4 MiB", Unit::Mebibytes);

    let sandbox = Sandbox::new();
    harness::tree::write(&sandbox.workspace(), "hello.txt = hello");
    up::up(&sandbox, &[]);
    table.goal(
        "agent, resident and idle",
        up::resident_mib(&sandbox, "towline-agent"),
        "≤ 8 MiB",
        Unit::Mebibytes,
    );
    sandbox.run(&["down"]);
}
