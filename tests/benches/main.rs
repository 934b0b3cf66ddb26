//! `cargo bench -p tests [-- NAME…]`: Towline beside its real peers in the same
//! run on the same machine, one table at the end. Names: `sync`, `edit`,
//! `editor`, `forward`, `size`, `cluster` (only by its name: it builds and starts a
//! Kubernetes). `TOWLINE_BENCH_FILES=1000` replaces the large tree's
//! 100,000 files.

mod cluster;
mod edit;
mod editor;
mod forward;
mod measure;
mod size;
mod ssh;
mod sync;
mod table;
mod up;

use table::Table;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let large = std::env::var("TOWLINE_BENCH_FILES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);

    harness::bins::bins(); // built before anything is timed
    let mut table = Table::default();
    if runs("editor") {
        editor::bench(&mut table);
    }
    let others = ["size", "forward", "sync", "edit", "cluster"];
    if !others.iter().any(|name| runs(name) || wanted.iter().any(|wanted| wanted == name)) {
        println!("{table}");
        return;
    }
    let ssh = ssh::Sshd::start();
    if runs("size") {
        size::bench(&mut table);
    }
    if runs("forward") {
        forward::bench(&mut table, &ssh);
    }
    for files in [1_000, large] {
        if runs("sync") {
            sync::bench(&mut table, &ssh, files);
        }
        if runs("edit") {
            edit::bench(&mut table, &ssh, files);
        }
    }
    if wanted.iter().any(|wanted| wanted == "cluster") {
        cluster::bench(&mut table);
    }
    println!("{table}");
}
