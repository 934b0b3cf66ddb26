//! From a saved edit to its being visible on the target, beside one run of rsync
//! and Unison over the same tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::sandbox::Sandbox;
use harness::tree;
use rustix::fs::inotify;

use crate::ssh::Sshd;
use crate::table::{Table, Unit, quantile_ms};
use crate::up;

const ROUNDS: usize = 300;

pub fn bench(table: &mut Table, ssh: &Sshd, files: usize) {
    let sandbox = Sandbox::new();
    tree::fill(&sandbox.workspace(), files, 2_000, 11);
    up::up(&sandbox, &[]);
    let source = sandbox.workspace();
    let target = sandbox.there().join("app");

    let mut samples: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            let number = round * 7919 % files;
            let path = PathBuf::from(format!(
                "d{:03}/e{:02}/f{number}.rs",
                number / 1000,
                number / 50 % 20
            ));
            edit(
                &source.join(&path),
                &target.join(&path),
                &format!("// edit {round}\n{}", "x".repeat(1_000)),
            )
        })
        .collect();
    let (p50, p99) = (quantile_ms(&mut samples, 0.5), quantile_ms(&mut samples, 0.99));

    let what = format!("saved 1 KiB edit to visible, {files} files");
    table.goal(&format!("{what}, p50"), p50, "≤ 2 ms", Unit::Millis);
    table.goal(&format!("{what}, p99"), p99, "≤ 10 ms", Unit::Millis);

    let mirror = sandbox.path().join("mirror");
    let shell = format!("ssh {}", ssh.options().join(" "));
    let rsync = || {
        let mut command = Command::new("rsync");
        command.args(["-a", "-e", &shell]).arg(format!("{}/", source.display()));
        command.arg(format!("127.0.0.1:{}/", mirror.display())).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let theirs = rsync().then(|| {
        fs::write(source.join("d000/e00/f0.rs"), "// one line").expect("write");
        let started = Instant::now();
        assert!(rsync(), "rsync ran before");
        started.elapsed().as_secs_f64() * 1e3
    });
    table.compare(&format!("{what}, p50"), p50, "rsync -a over ssh, one run", theirs, Unit::Millis);
    sandbox.run(&["down"]);
}

/// Saves `text` at `source` and returns how long it took to be at `target`.
fn edit(source: &Path, target: &Path, text: &str) -> Duration {
    visible(target, text, || fs::write(source, text).expect("write"))
}

/// How long it takes from `save` on until `text` is at `target`.
pub fn visible(target: &Path, text: &str, save: impl FnOnce()) -> Duration {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify");
    let folder = target.parent().expect("a file is in a folder");
    let events = inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::CLOSE_WRITE
        | inotify::WatchFlags::CREATE;
    inotify::add_watch(&watch, folder, events).expect("watch");
    let started = Instant::now();
    save();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    while fs::read(target).is_ok_and(|bytes| bytes != text.as_bytes()) {
        inotify::Reader::new(&watch, &mut buffer).next().expect("an event");
    }
    started.elapsed()
}
