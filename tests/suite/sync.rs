//! Suite: sync, end to end through `towline` and a real agent. What only the
//! whole product can show: branch switches under a reading checker, both sides
//! editing at once, and trees that vanish.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use harness::sandbox::Sandbox;
use harness::{tree, wait};

/// A workspace in sync with `there/app`.
fn up(fixture: &str) -> (Sandbox, PathBuf, PathBuf) {
    let sandbox = Sandbox::new();
    tree::write(&sandbox.workspace(), fixture);
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    let (alpha, beta) = (sandbox.workspace(), sandbox.there().join("app"));
    (sandbox, alpha, beta)
}

fn phase(sandbox: &Sandbox) -> String {
    sandbox.status()["syncs"][0]["phase"]["phase"].as_str().expect("a sync has a phase").to_owned()
}

fn equal(sandbox: &Sandbox, alpha: &Path, beta: &Path) {
    let what = format!("{} and {} to be equal", alpha.display(), beta.display());
    wait::until(&what, || {
        let (left, right) = (
            std::panic::catch_unwind(|| tree::read(alpha)),
            std::panic::catch_unwind(|| tree::read(beta)),
        );
        matches!((left, right), (Ok(left), Ok(right)) if left == right).then_some(())
    });
    assert_eq!(sandbox.status()["syncs"][0]["conflicts"], 0);
}

#[test]
fn edits_travel_both_ways() {
    let (sandbox, alpha, beta) =
        up("src/a.py = one\nrun.sh* = #!/bin/sh\nlink -> src/a.py\nempty/");
    assert_eq!(tree::read(&alpha), tree::read(&beta));

    tree::write(&alpha, "src/a.py = two\nsrc/new/deep.py = new");
    equal(&sandbox, &alpha, &beta);
    tree::write(&beta, "src/b.py = from there\nout/log.txt = built");
    equal(&sandbox, &alpha, &beta);
    fs::remove_file(alpha.join("src/a.py")).expect("remove");
    fs::rename(alpha.join("src/new"), alpha.join("moved")).expect("rename");
    equal(&sandbox, &alpha, &beta);
    fs::rename(beta.join("moved"), beta.join("src/back")).expect("rename");
    equal(&sandbox, &alpha, &beta);
    assert_eq!(fs::read_to_string(alpha.join("src/back/deep.py")).expect("read"), "new");
    sandbox.run(&["down"]);
}

/// Ends another thread's work when it is dropped.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_branch_switch_of_5000_files_shows_no_torn_file() {
    const FILES: usize = 5_000;
    let content = |file: usize, branch: u8| format!("{file} {branch} ").repeat(400);
    let sandbox = Sandbox::new();
    let alpha = sandbox.workspace();
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(args)
            .current_dir(&alpha)
            .output();
        assert!(output.expect("git can be started").status.success(), "git {args:?}");
    };
    git(&["init", "-q", "-b", "one"]);
    for (branch, name) in [(1, "one"), (2, "two")] {
        git(&["checkout", "-q", "-B", name]);
        for file in 0..FILES {
            let path = alpha.join(format!("d{}/f{file}", file / 100));
            fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            fs::write(path, content(file, branch)).expect("write");
        }
        git(&["add", "-A"]);
        git(&["commit", "-qm", name]);
    }
    git(&["checkout", "-q", "one"]);
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    let beta = sandbox.there().join("app");

    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for file in (0..FILES).step_by(7) {
                    let read = fs::read_to_string(beta.join(format!("d{}/f{file}", file / 100)));
                    let read =
                        read.unwrap_or_else(|error| panic!("file {file} was not there: {error}"));
                    assert!(
                        read == content(file, 1) || read == content(file, 2),
                        "file {file} is torn: {} bytes",
                        read.len()
                    );
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let _stops = Stops(&stop); // also when this thread fails
        for branch in ["two", "one", "two"] {
            git(&["checkout", "-q", branch]);
            sandbox.run(&["sync", "wait"]);
            let wanted = if branch == "one" { 1 } else { 2 };
            for file in 0..FILES {
                let read = fs::read_to_string(beta.join(format!("d{}/f{file}", file / 100)))
                    .expect("read");
                assert!(
                    read == content(file, wanted),
                    "`sync wait` returned before file {file} was there"
                );
            }
        }
    });
    assert!(reads.load(Ordering::Relaxed) > 0, "the checker read nothing");
    assert!(!beta.join(".git").exists(), ".git is not synced");
    sandbox.run(&["down"]);
}

#[test]
fn both_sides_edit_one_file_at_once_1000_times_and_nothing_is_lost() {
    let (sandbox, alpha, beta) = up("file.txt = start");
    let save = |root: &Path, text: &str| -> String {
        let new = sandbox.path().join(format!("new-{}", text.replace(' ', "-")));
        fs::write(&new, text).expect("write");
        let path = root.join("file.txt");
        wait::until("a file to save over", || {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            renameat_with(CWD, &new, CWD, &path, RenameFlags::EXCHANGE).ok()
        });
        let displaced = fs::read_to_string(&new).expect("read");
        fs::remove_file(&new).expect("remove");
        displaced
    };
    let mut written = BTreeSet::new();
    for round in 0..1_000 {
        let texts = [format!("alpha {round}"), format!("beta {round}")];
        let displaced = std::thread::scope(|scope| {
            let other = scope.spawn(|| save(&beta, &texts[1]));
            [save(&alpha, &texts[0]), other.join().expect("the other side saves")]
        });
        for text in displaced {
            written.remove(&text); // its author saw it and saved over it
        }
        written.extend(texts);
        if round % 20 == 19 {
            sandbox.try_run(&["sync", "wait"]); // it tells of a conflict by its exit code
            if !sandbox.run(&["sync", "conflicts", "--json"]).contains("\"conflicts\":[]") {
                let keep = ["local", "target"][round / 20 % 2];
                sandbox.run(&["sync", "resolve", "file.txt", "--keep", keep]);
            }
            equal(&sandbox, &alpha, &beta);
        }
    }
    let mut kept = BTreeSet::new();
    contents(sandbox.path(), &mut kept);
    let lost: Vec<_> = written.difference(&kept).collect();
    assert!(lost.is_empty(), "{} edits are in no tree and no trash: {lost:?}", lost.len());
    sandbox.run(&["down"]);
}

fn contents(folder: &Path, kept: &mut BTreeSet<String>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() {
            contents(&path, kept);
        } else if path.is_file()
            && let Ok(text) = fs::read_to_string(&path)
        {
            kept.insert(text);
        }
    }
}

#[test]
fn every_way_of_saving_arrives_as_it_was_meant() {
    type Save = fn(&Path, &str);
    let in_place: Save = |path, text| fs::write(path, text).expect("write");
    let rename_over: Save = |path, text| {
        let new = path.with_extension("new");
        fs::write(&new, text).expect("write");
        fs::rename(new, path).expect("rename");
    };
    let backup_and_write: Save = |path, text| {
        let backup = path.with_extension("py~");
        fs::rename(path, &backup).expect("rename");
        fs::write(path, text).expect("write");
        fs::remove_file(backup).expect("remove");
    };
    // Vim's default: a probe of the directory, a swap file beside, the old file
    // moved away, the new one written and synced.
    let vim: Save = |path, text| {
        let (folder, probe) = (path.parent().expect("parent"), "4913");
        fs::write(folder.join(".main.py.swp"), [0; 4096]).expect("swap file");
        fs::File::create(folder.join(probe)).expect("probe");
        fs::remove_file(folder.join(probe)).expect("remove");
        let backup = path.with_extension("py~");
        fs::rename(path, &backup).expect("rename");
        let mut file = fs::File::create(path).expect("create");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("write");
        file.sync_all().expect("sync");
        drop(file);
        fs::remove_file(backup).expect("remove");
        fs::remove_file(folder.join(".main.py.swp")).expect("remove");
    };
    let (sandbox, alpha, beta) = up("src/main.py = start");
    for (name, save) in [
        ("in place", in_place),
        ("rename over", rename_over),
        ("backup and write", backup_and_write),
        ("vim", vim),
    ] {
        for (root, other) in [(&alpha, &beta), (&beta, &alpha)] {
            let text = format!("{name}, saved in {}", root.display());
            save(&root.join("src/main.py"), &text);
            sandbox.run(&["sync", "wait"]);
            assert_eq!(fs::read_to_string(other.join("src/main.py")).expect("read"), text);
            assert_eq!(tree::read(&alpha), tree::read(&beta), "{name}");
        }
    }
    sandbox.run(&["down"]);
}

const TEN: &str = "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\nf/g = 6\nf/h = 7\nf/i = 8\nj = 9\nk = 10";

#[test]
fn an_emptied_target_brakes_and_deletes_nothing_here() {
    let (sandbox, alpha, beta) = up(TEN);
    let before = tree::read(&alpha);
    for entry in fs::read_dir(&beta)
        .expect("folder")
        .flatten()
        .filter(|entry| entry.file_name() != ".towline")
    {
        let path = entry.path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
            .expect("remove");
    }
    wait::until("the brake", || (phase(&sandbox) == "braked").then_some(()));
    assert_eq!(tree::read(&alpha), before);
    sandbox.run(&["sync", "resume", "--restore"]);
    equal(&sandbox, &alpha, &beta);
    assert_eq!(tree::read(&alpha), before);
    sandbox.run(&["down"]);
}

#[test]
fn a_recreated_target_is_filled_again_and_deletes_nothing_here() {
    let (sandbox, alpha, beta) = up(TEN);
    let before = tree::read(&alpha);
    fs::remove_dir_all(&beta).expect("remove");
    fs::create_dir(&beta).expect("create");
    tree::write(&beta, "image.txt = part of the new image");
    wait::until("the loss to be noticed or mended", || {
        (alpha.join("image.txt").exists() || phase(&sandbox) != "in_sync").then_some(())
    });
    if !alpha.join("image.txt").exists() {
        sandbox.try_run(&["sync", "resume", "--restore"]);
    }
    equal(&sandbox, &alpha, &beta);
    let after = tree::read(&alpha);
    assert!(
        before.lines().all(|line| after.lines().any(|after| after == line)),
        "{before}\nis not all in\n{after}"
    );
    sandbox.run(&["down"]);
}

#[test]
fn an_unmounted_local_root_deletes_nothing_there() {
    let sandbox = Sandbox::new();
    let alpha = sandbox.workspace().join("mounted");
    fs::create_dir(&alpha).expect("create");
    let mount = |args: &[&str]| {
        let output = Command::new(args[0])
            .args(&args[1..])
            .arg(&alpha)
            .output()
            .expect("mount can be started");
        assert!(
            output.status.success(),
            "{args:?} needs root rights: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    mount(&["mount", "-t", "tmpfs", "tmpfs"]);
    tree::write(&alpha, TEN);
    sandbox.run(&["up", "local:../there", "--sync", "mounted:/app"]);
    let beta = sandbox.there().join("app");
    let before = tree::read(&beta);
    mount(&["umount", "-l"]);
    wait::until("the loss of the root to be noticed", || {
        (phase(&sandbox) != "in_sync").then_some(())
    });
    assert_eq!(tree::read(&beta), before, "nothing may be deleted there");
    sandbox.run(&["down"]);
}

#[test]
fn a_change_there_made_while_the_hub_was_gone_arrives() {
    let (sandbox, alpha, beta) = up("a = 1\nb = 2");
    let pid = sandbox.status()["pid"].as_i64().expect("the hub has a pid");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
    tree::write(&alpha, "a = changed here");
    tree::write(&beta, "b = changed there\nc = new there");
    sandbox.run(&["sync", "wait"]);
    equal(&sandbox, &alpha, &beta);
    assert_eq!(fs::read_to_string(alpha.join("b")).expect("read"), "changed there");
    sandbox.run(&["down"]);
}
