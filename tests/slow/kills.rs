//! Slow suite: kills. Both sides are edited while hub and agent are killed at
//! 200 random points; in the end the trees are equal and no edit is lost: what
//! was written and not replaced by its own author is in a tree or in the trash.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::sandbox::Sandbox;
use harness::{tree, wait};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::random::Random;

const KILLS: usize = 200;
const UP: [&str; 4] = ["up", "local:../there", "--sync", ".:/app"];
const VICTIMS: [&str; 2] = ["towline hub", "towline-agent serve"];
/// Few names, so that both sides meet at them.
const FOLDERS: usize = 4;
const FILES: usize = 5;
/// Longer than what travels in one message with its edit.
const LARGE: usize = 400_000;

#[test]
fn edits_survive_200_kills_of_hub_and_agent() {
    let seed = std::env::var("TOWLINE_KILLS_SEED").map_or(42, |seed| seed.parse().expect("a seed"));
    println!("TOWLINE_KILLS_SEED={seed}");
    let sandbox = Sandbox::new();
    let mut world = World::new(&sandbox, Random::new(seed));
    sandbox.run(&UP);

    let mut left = [KILLS / 2; 2];
    let started = Instant::now();
    for kill in 0..KILLS {
        let pick = world.random.below(left[0] + left[1]);
        let victim = usize::from(pick >= left[0]);
        left[victim] -= 1;
        let pids = alive(&sandbox, VICTIMS[victim]);
        for _ in 0..1 + world.random.below(4) {
            world.edit();
        }
        std::thread::park_timeout(Duration::from_micros(world.random.below(40_000) as u64));
        let killed = pids.into_iter().filter(|pid| kill_process(*pid, Signal::KILL).is_ok());
        assert!(killed.count() > 0, "kill {kill}: no {} was there to be killed", VICTIMS[victim]);
        world.edit();
        if kill % 50 == 49 {
            println!("{} kills in {:?}", kill + 1, started.elapsed());
        }
    }

    sandbox.run(&UP);
    settle(&sandbox);
    let local = sandbox.workspace();
    wait::until("both trees to be equal", || {
        (tree::read(&local) == tree::read(&world.target)).then_some(())
    });
    println!("conflicts resolved, trees equal after {:?}", started.elapsed());
    world.check();
    sandbox.run(&["down"]);
}

/// The victim's processes. A hub comes with the next command, an agent with the hub.
fn alive(sandbox: &Sandbox, victim: &str) -> Vec<Pid> {
    let find = |what: &str| -> Vec<Pid> {
        let lines = sandbox.leftovers().into_iter().filter(|(_, line)| line.contains(what));
        lines.filter_map(|(pid, _)| Pid::from_raw(pid)).collect()
    };
    let mut asked: Vec<Pid> = Vec::new();
    wait::until(&format!("a living `{victim}`"), || {
        let hubs = find(VICTIMS[0]);
        if hubs.is_empty() || (find(victim).is_empty() && hubs != asked) {
            sandbox.run(&UP);
            asked = find(VICTIMS[0]);
        }
        Some(find(victim)).filter(|pids| !pids.is_empty())
    })
}

/// Ends every conflict, in turn each way that there is, until none is left.
fn settle(sandbox: &Sandbox) {
    let mut turn = 0;
    wait::until("no conflict to be left", || {
        let _ = sandbox.try_run(&["sync", "resume", "--restore"]); // there may be no brake
        let printed = sandbox.run(&["sync", "conflicts", "--json"]);
        let value: Value = serde_json::from_str(&printed).expect("conflicts are JSON");
        let conflicts = value["conflicts"].as_array().expect("a list of conflicts");
        for conflict in conflicts {
            let path = conflict["path"].as_str().expect("a conflict has a path");
            let keep = ["local", "target", "both"][turn % 3];
            turn += 1;
            // Gone by itself, or resolved with its folder; only a file can be kept twice.
            let _ = sandbox.try_run(&["sync", "resolve", path, "--keep", keep]);
        }
        let waited = sandbox.try_run(&["sync", "wait"]).status.success();
        (conflicts.is_empty() && waited).then_some(())
    });
    println!("{turn} times a conflict was resolved");
}

struct World {
    random: Random,
    sandbox: PathBuf,
    local: PathBuf,
    target: PathBuf,
    written: BTreeSet<String>,
    edits: usize,
}

impl World {
    fn new(sandbox: &Sandbox, random: Random) -> Self {
        let local = sandbox.workspace();
        for folder in 0..FOLDERS {
            fs::create_dir(local.join(format!("d{folder}"))).expect("folder");
            for file in 0..FILES {
                fs::write(local.join(format!("d{folder}/f{file}.txt")), "start").expect("write");
            }
        }
        let target = sandbox.there().join("app");
        let written = BTreeSet::new();
        Self { random, sandbox: sandbox.path().into(), local, target, written, edits: 0 }
    }

    /// One random edit on one side.
    fn edit(&mut self) {
        self.edits += 1;
        let side = if self.random.below(2) == 0 { self.local.clone() } else { self.target.clone() };
        let path = self.path(&side);
        match self.random.below(40) {
            0..12 => self.save(&path, 0),
            12 | 13 => self.save(&path, LARGE),
            14..20 => {
                // Both sides at once, before either hears of the other.
                let name = path.strip_prefix(&side).expect("below its side").to_owned();
                for side in [self.local.clone(), self.target.clone()] {
                    self.save(&side.join(&name), 0);
                }
            }
            20..29 => {
                let new = format!("d{}/new{}.txt", self.random.below(FOLDERS), self.edits);
                self.save(&side.join(new), 0);
            }
            29..32 => self.delete(&path),
            32..36 => {
                let to = self.path(&side);
                rename(&path, &to);
            }
            36..39 => {
                let folders = [self.random.below(FOLDERS), self.random.below(FOLDERS + 1)];
                let [from, to] = folders.map(|folder| side.join(format!("d{folder}")));
                rename(&from, &to);
            }
            _ => {
                let folder = self.random.below(FOLDERS + 1);
                if self.edits.is_multiple_of(4) {
                    self.delete(&side.join(format!("d{folder}")));
                }
            }
        }
    }

    fn path(&mut self, side: &Path) -> PathBuf {
        let (folder, file) = (self.random.below(FOLDERS), self.random.below(FILES));
        side.join(format!("d{folder}/f{file}.txt"))
    }

    /// Saves as editors do, by a rename. What that displaced, its author saw.
    fn save(&mut self, path: &Path, len: usize) {
        let mut text = format!("edit {} {:x}\n", self.edits, self.random.next());
        let line = text.clone();
        while text.len() < len {
            text.push_str(&line);
        }
        let new = self.sandbox.join("new.txt");
        fs::write(&new, &text).expect("write");
        let flags = [RenameFlags::EXCHANGE, RenameFlags::NOREPLACE];
        wait::until("the file to be saved", || {
            let _ = fs::create_dir_all(path.parent().expect("a file has a folder"));
            flags
                .iter()
                .any(|flags| renameat_with(CWD, &new, CWD, path, *flags).is_ok())
                .then_some(())
        });
        self.written.insert(text);
        self.drop_seen(&new);
    }

    fn delete(&mut self, path: &Path) {
        let old = self.sandbox.join("old");
        if fs::rename(path, &old).is_ok() {
            self.drop_seen(&old);
        }
    }

    /// Removes what its author displaced: it need not be kept.
    fn drop_seen(&mut self, path: &Path) {
        let mut seen = BTreeSet::new();
        contents(path, &mut seen);
        self.written.retain(|text| !seen.contains(text));
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path)); // nothing was displaced
    }

    /// Every edit that was not replaced by its author is in the trees or the trash.
    fn check(&self) {
        let mut kept = BTreeSet::new();
        let store = self.target.join(".towline");
        contents(&self.local, &mut kept);
        contents(&self.target, &mut kept);
        trashes(&self.sandbox.join("home/state"), &mut kept);
        trashes(&store, &mut kept);
        let lost: Vec<_> =
            self.written.difference(&kept).filter_map(|text| text.lines().next()).collect();
        println!("{} edits, {} to be kept", self.edits, self.written.len());
        assert!(
            lost.is_empty(),
            "{} of {} edits are in no tree and no trash: {lost:#?}",
            lost.len(),
            self.written.len()
        );
    }
}

/// A name may be taken or gone: then nothing was edited.
fn rename(from: &Path, to: &Path) {
    let _ = renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
}

/// The files at and below `path`, without what Towline keeps for itself.
fn contents(path: &Path, kept: &mut BTreeSet<String>) {
    if let Ok(text) = fs::read_to_string(path) {
        kept.insert(text);
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(b".towline") {
            contents(&entry.path(), kept);
        }
    }
}

/// The files in every `trash` below `folder`.
fn trashes(folder: &Path, kept: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == "trash" {
            contents(&path, kept);
        } else if path.is_dir() && !path.is_symlink() {
            trashes(&path, kept);
        }
    }
}
