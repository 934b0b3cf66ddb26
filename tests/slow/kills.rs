//! Slow suite: kills. Both sides are edited while hub and agent are killed at
//! 200 random points; in the end the trees are equal and no edit is lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use harness::sandbox::Sandbox;
use harness::{tree, wait};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Pid, Signal, kill_process};

use crate::random::Random;

const KILLS: usize = 200;
const FILES: usize = 20;

#[test]
fn edits_survive_200_kills_of_hub_and_agent() {
    let mut random = Random::new(42);
    let sandbox = Sandbox::new();
    for number in 0..FILES {
        fs::write(sandbox.workspace().join(format!("f{number}.txt")), "start").expect("write");
    }
    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    let target = sandbox.there().join("app");
    let mut written = BTreeSet::new();

    for kill in 0..KILLS {
        for _ in 0..1 + random.below(3) {
            let side = if random.below(2) == 0 { sandbox.workspace() } else { target.clone() };
            let text = format!("kill {kill} edit {}", random.next());
            let displaced =
                save(&sandbox, &side.join(format!("f{}.txt", random.below(FILES))), &text);
            written.remove(&displaced); // its own author saw it and wrote over it
            written.insert(text);
        }
        std::thread::park_timeout(Duration::from_millis(random.below(40) as u64));
        let victim = ["towline hub", "towline-agent serve"][random.below(2)];
        for (pid, _) in sandbox.leftovers().into_iter().filter(|(_, line)| line.contains(victim)) {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if kill % 5 == 4 {
            // Any command finds no hub, or a hub without an agent, and goes on.
            sandbox.run(&["status"]);
        }
    }

    sandbox.run(&["up", "local:../there", "--sync", ".:/app"]);
    for (number, line) in sandbox.run(&["sync", "conflicts", "--json"]).lines().enumerate() {
        let conflicts: serde_json::Value = serde_json::from_str(line).expect("conflicts are JSON");
        for conflict in conflicts["conflicts"].as_array().into_iter().flatten() {
            let path = conflict["path"].as_str().expect("a conflict has a path");
            let keep = ["local", "target"][number % 2];
            sandbox.run(&["sync", "resolve", path, "--keep", keep]);
        }
    }
    sandbox.run(&["sync", "wait"]);
    wait::until("both trees to be equal", || {
        (tree::read(&sandbox.workspace()) == tree::read(&target)).then_some(())
    });

    let mut kept = BTreeSet::new();
    contents(sandbox.path(), &mut kept);
    let lost: Vec<_> = written.difference(&kept).collect();
    assert!(
        lost.is_empty(),
        "{} of {} edits are in no tree and no trash: {lost:#?}",
        lost.len(),
        written.len()
    );
    sandbox.run(&["down"]);
}

/// Saves as editors do, by a rename, and returns what exactly that displaced.
fn save(sandbox: &Sandbox, path: &Path, text: &str) -> String {
    let new = sandbox.path().join("new.txt");
    fs::write(&new, text).expect("write");
    wait::until("the file to be there to be saved over", || {
        renameat_with(CWD, &new, CWD, path, RenameFlags::EXCHANGE).ok()
    });
    let displaced = fs::read_to_string(&new).expect("read");
    fs::remove_file(&new).expect("remove");
    displaced
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
