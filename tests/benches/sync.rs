//! First sync of a whole tree, beside rsync, tar and Unison over a local sshd.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use harness::sandbox::Sandbox;
use harness::tree;

use crate::ssh::Sshd;
use crate::table::{Table, Unit};
use crate::up;

pub fn bench(table: &mut Table, ssh: &Sshd, files: usize) {
    let sandbox = Sandbox::new();
    tree::fill(&sandbox.workspace(), files, 2_000, 7);
    let what = format!("first sync, {files} files of 2 kB");

    let started = Instant::now();
    up::up(&sandbox, &[]);
    let ours = started.elapsed().as_secs_f64();
    assert_eq!(count(&sandbox.there().join("app")), files, "everything has to be there");
    table.goal(
        &format!("hub, resident at {files} files"),
        up::resident_mib(&sandbox, "hub"),
        "≤ 40 MiB",
        Unit::Mebibytes,
    );
    table.goal(
        &format!("agent, resident at {files} files"),
        up::resident_mib(&sandbox, "towline-agent"),
        "-",
        Unit::Mebibytes,
    );
    sandbox.run(&["down"]);

    let peer = |name: &str, run: &mut dyn FnMut(&Path) -> bool| -> Option<f64> {
        let target = sandbox.path().join(name);
        fs::create_dir(&target).expect("directory");
        let started = Instant::now();
        let ran = run(&target);
        let seconds = started.elapsed().as_secs_f64();
        fs::remove_dir_all(&target).expect("directory");
        ran.then_some(seconds)
    };
    let source = sandbox.workspace();
    let shell = format!("ssh {}", ssh.options().join(" "));

    let rsync = peer("rsync", &mut |target| {
        let mut command = Command::new("rsync");
        command.args(["-a", "-e", &shell]).arg(format!("{}/", source.display()));
        succeeds(command.arg(format!("127.0.0.1:{}/", target.display())))
    });
    table.compare(&what, ours, "rsync -a over ssh", rsync, Unit::Seconds);

    let tar = peer("tar", &mut |target| {
        let mut pack = Command::new("tar");
        pack.arg("-C").arg(&source).args(["-cf", "-", "."]).stdout(Stdio::piped());
        let Ok(mut pack) = pack.spawn() else { return false };
        let Some(out) = pack.stdout.take() else { return false };
        let unpacked =
            succeeds(ssh.command().arg(format!("tar -C {} -xf -", target.display())).stdin(out));
        pack.wait().is_ok_and(|status| status.success()) && unpacked
    });
    table.compare(&what, ours, "tar | ssh tar", tar, Unit::Seconds);

    let unison = peer("unison", &mut |target| {
        let mut command = Command::new("unison");
        command.env("UNISON", sandbox.path().join("unison-state"));
        command
            .args(["-batch", "-silent", "-auto", "-sshargs", &ssh.options().join(" ")])
            .arg(&source);
        succeeds(command.arg(format!("ssh://127.0.0.1/{}", target.display())))
    });
    table.compare(&what, ours, "unison over ssh", unison, Unit::Seconds);
}

fn succeeds(command: &mut Command) -> bool {
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder)
        .expect("folder")
        .flatten()
        .filter(|entry| entry.file_name() != ".towline")
        .map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 })
        .sum()
}
