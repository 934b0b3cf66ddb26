//! Seeded schedules over two model trees: users edit both sides at any moment,
//! messages are late and out of step, events get lost, replicas, the link and
//! the hub die, disks fill, trees are emptied and recreated. Checked: nothing a
//! user wrote is lost, the trees end equal but for conflicts, and nothing is
//! ever deleted in bulk.
//!
//! `TOWLINE_SIM_SEEDS=100000` runs more, `TOWLINE_SIM_SEED=17` one, with its script.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::format;
use std::string::String;
use std::vec::Vec;
use std::{eprintln, vec};

use super::*;
use crate::error::{ErrorCode, WireError};
use crate::sync::entry::{Digest, Observation, Outcome, agree};

mod check;
mod model;
mod random;
use model::{Disk, Node};
use random::Random;

/// A batch on its way, edit by edit.
struct Carriage {
    to: Side,
    edit: Carried,
    stage: Stage,
    /// Nobody listens any more, but the edit may still land.
    orphan: bool,
}

enum Stage {
    Fetch,
    Apply,
    Answer(Report),
}

struct World {
    random: Random,
    script: Vec<String>,
    disks: [Disk; 2],
    controller: Controller,
    carriages: Vec<Carriage>,
    journal: Vec<Record>,
    flushed: usize,
    now: Duration,
    written: BTreeSet<u32>,
    excused: BTreeSet<u32>,
    next_content: u32,
    linked: bool,
    /// Beta was emptied by a disaster: no user works there until it is undone.
    disaster: bool,
    large: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.next();
        let large = random.chance(10);
        let mut beta = Disk::new(2);
        beta.keeps_modes = !random.chance(15);
        let mut world = Self {
            random,
            script: Vec::new(),
            disks: [Disk::new(1), beta],
            controller: Controller::new(Mode::TwoWaySafe, []),
            carriages: Vec::new(),
            journal: Vec::new(),
            flushed: 0,
            now: Duration::ZERO,
            written: BTreeSet::new(),
            excused: BTreeSet::new(),
            next_content: 1,
            linked: true,
            disaster: false,
            large,
        };
        for side in [Side::Alpha, Side::Beta] {
            for _ in 0..world.random.below(8) {
                world.edit(side);
            }
        }
        world.open(Side::Alpha);
        world.open(Side::Beta);
        world
    }

    fn say(&mut self, text: String) {
        self.script.push(format!("{:>7.3} {text}", self.now.as_secs_f64()));
    }

    fn open(&mut self, side: Side) {
        self.say(format!("open {side:?}"));
        self.controller.opened(side);
        self.disks[index(side)].reopen();
    }

    fn close(&mut self, side: Side) {
        self.say(format!("close {side:?}"));
        self.controller.closed(side);
        self.disks[index(side)].observations.clear();
        for carriage in &mut self.carriages {
            carriage.orphan |= carriage.to == side;
        }
    }

    /// What a user does on one side.
    fn edit(&mut self, side: Side) {
        let (path, other) = (self.random.path(), self.random.path());
        let kind = self.random.below(20);
        let content = self.next_content;
        let lost = self.random.chance(6);
        let disk = &mut self.disks[index(side)];
        disk.deaf = lost;
        let done = match kind {
            0..=9 => {
                self.next_content += 1;
                disk.write(
                    &path,
                    Node::File {
                        content,
                        mode: 0o644,
                        large: self.large && content.is_multiple_of(3),
                    },
                )
                .then(|| {
                    self.written.insert(content);
                    format!("write {path:?} = {content}")
                })
            }
            10..=12 => disk.remove(&path).then(|| format!("rm -r {path:?}")),
            13 => disk
                .write(&path, Node::Directory { mode: 0o755 })
                .then(|| format!("mkdir {path:?}")),
            14..=15 => disk.rename(&path, &other).then(|| format!("mv {path:?} {other:?}")),
            16 => disk.write(&path, Node::Link(content)).then(|| format!("ln {path:?}")),
            17 => disk.chmod(&path).then(|| format!("chmod {path:?}")),
            _ => disk.touch(&path).then(|| format!("touch {path:?}")),
        };
        disk.deaf = false;
        if lost {
            disk.overflowed = true;
        }
        self.excused.append(&mut self.disks[index(side)].destroyed);
        if let Some(done) = done {
            self.say(format!("{side:?}{}: {done}", if lost { " (unseen)" } else { "" }));
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_micros(self.random.below(30_000));
        let side = if self.random.chance(50) { Side::Alpha } else { Side::Beta };
        match self.random.below(1000) {
            0..=179 if !(self.disaster && side == Side::Beta) => self.edit(side),
            180..=499 => self.deliver(side),
            500..=849 => self.advance(),
            850..=929 => self.disks[index(side)].scan_on(3),
            930..=939 => {
                self.say(format!("{side:?} rescans"));
                self.disks[index(side)].begin_scan();
            }
            940..=959 => self.flushed = self.journal.len(),
            960..=969 => {
                let full = !self.disks[index(side)].full;
                self.say(format!("{side:?} full: {full}"));
                self.disks[index(side)].full = full;
            }
            970..=979 if self.linked => {
                self.close(Side::Beta);
                self.linked = false;
            }
            970..=984 if !self.linked => {
                self.open(Side::Beta);
                self.linked = true;
            }
            985..=988 => self.crash(),
            989..=990 if self.linked => self.recreate(),
            991 if self.linked && !self.disaster => self.empty(),
            _ => {}
        }
        self.drain();
    }

    /// The hub dies; what was not flushed is not remembered.
    fn crash(&mut self) {
        let lag = (self.journal.len() - self.flushed) as u64;
        let kept = self.flushed + usize::try_from(self.random.below(lag + 1)).unwrap();
        self.say(format!("hub crashes, remembers {kept} of {} records", self.journal.len()));
        self.journal.truncate(kept);
        self.flushed = kept;
        self.controller = Controller::new(Mode::TwoWaySafe, self.journal.clone());
        self.carriages.retain(|carriage| carriage.to == Side::Beta);
        self.carriages.iter_mut().for_each(|carriage| carriage.orphan = true);
        self.open(Side::Alpha);
        if self.linked {
            self.open(Side::Beta);
        }
    }

    /// The container is replaced by a fresh one with what its image holds.
    fn recreate(&mut self) {
        self.close(Side::Beta);
        self.carriages.retain(|carriage| carriage.to == Side::Alpha);
        let old = std::mem::replace(&mut self.disks[1], Disk::new(0));
        let mut fresh = Disk::new(old.replica + 1);
        fresh.keeps_modes = old.keeps_modes;
        self.excused.extend(old.contents().chain(old.trash.iter().copied()));
        for (path, node) in old.tree {
            if self.random.chance(30) {
                fresh.write(&path, node);
            }
        }
        fresh.destroyed.clear();
        self.disks[1] = fresh;
        self.disaster = false;
        self.say("beta is recreated".into());
        self.open(Side::Beta);
    }

    /// Something empties beta's tree, without a new replica id.
    fn empty(&mut self) {
        let agreed = self.controller.totals.agreed;
        if agreed < 2 || self.disks[0].full || self.disks[1].full {
            return;
        }
        self.say("beta is emptied".into());
        let disk = &mut self.disks[1];
        self.excused.extend(disk.contents());
        // What stands on alpha is no beta user's to lose.
        let names: Vec<_> = disk.tree.keys().cloned().collect();
        for path in names {
            disk.remove(&path);
        }
        disk.destroyed.clear();
        self.disaster = true;
        for content in self.disks[0].contents() {
            self.excused.remove(&content);
        }
    }

    fn deliver(&mut self, side: Side) {
        for _ in 0..=self.random.below(4) {
            if side == Side::Beta && !self.linked {
                return;
            }
            let Some(observation) = self.disks[index(side)].observations.pop_front() else {
                return;
            };
            self.controller.observe(side, observation, self.now);
        }
    }

    /// Moves one carriage on by a stage.
    fn advance(&mut self) {
        if self.carriages.is_empty() {
            return;
        }
        let at = usize::try_from(self.random.below(self.carriages.len() as u64)).unwrap();
        let mut carriage = self.carriages.swap_remove(at);
        let path = carriage.edit.op.path.clone();
        match carriage.stage {
            Stage::Fetch => {
                carriage.stage = match (&carriage.edit.body, &carriage.edit.fetch) {
                    (None, Some(entry)) => {
                        let held = self.disks[index(carriage.to.other())].entry(&path);
                        if agree(held.as_ref(), Some(entry)) {
                            Stage::Apply
                        } else {
                            Stage::Answer(Report::SourceChanged)
                        }
                    }
                    _ => Stage::Apply,
                };
            }
            Stage::Apply => {
                let outcome = self.disks[index(carriage.to)].apply(&carriage.edit.op);
                if carriage.orphan {
                    // A replica opened meanwhile sees it as anybody's change.
                    self.disks[index(carriage.to)].touch(&path);
                }
                let Op { path, base, new } = &carriage.edit.op;
                let (base, new) = (model::short(base.as_ref()), model::short(new.as_ref()));
                let what = match &outcome {
                    Outcome::Applied { rev, .. } => format!("applied {rev}"),
                    Outcome::Stale { rev, state } => {
                        format!("stale {rev}: {}", model::short(state.as_ref()))
                    }
                    Outcome::Failed(error) => format!("{error}"),
                };
                let orphan = if carriage.orphan { " (orphan)" } else { "" };
                self.say(format!("{:?} ⇐ {path:?} {base} → {new}{orphan}: {what}", carriage.to));
                carriage.stage = Stage::Answer(Report::Outcome(outcome));
            }
            Stage::Answer(report) => {
                if !carriage.orphan {
                    self.controller.report(carriage.to, &path, report, self.now);
                }
                return;
            }
        }
        self.carriages.push(carriage);
    }

    fn drain(&mut self) {
        while let Some(effect) = self.controller.poll(self.now) {
            match effect {
                Effect::Apply { to, edits, .. } => {
                    for edit in edits {
                        self.launch(to, edit);
                    }
                }
                Effect::Transfer { to, op, source } => {
                    self.launch(to, Carried { op, body: None, fetch: Some(source) });
                }
                Effect::Record(record) => self.journal.push(record),
                Effect::Void(record) => {
                    self.journal = vec![record];
                    self.flushed = 1;
                }
                Effect::Rescan(side) => self.disks[index(side)].overflowed = true,
                Effect::Visible { .. } | Effect::BatchVisible { .. } => {}
            }
        }
    }

    fn launch(&mut self, to: Side, edit: Carried) {
        self.carriages.push(Carriage { to, edit, stage: Stage::Fetch, orphan: false });
    }
}

fn run(seed: u64) -> Result<(), (String, Vec<String>)> {
    let mut world = World::new(seed);
    let steps = 50 + world.random.below(250);
    for _ in 0..steps {
        world.step();
    }
    let result = world.settle().and_then(|()| world.resolve_all());
    result.map_err(|error| (error, world.script))
}

#[test]
fn nothing_is_lost_and_both_sides_converge_whatever_happens() {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("TOWLINE_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("TOWLINE_SIM_SEEDS").unwrap_or(2000)).collect(),
    };
    let mut failures = 0;
    for seed in &seeds {
        if let Err((error, script)) = run(*seed) {
            failures += 1;
            if failures == 1 {
                eprintln!("{}", script.join("\n"));
            }
            if failures <= 40 {
                eprintln!("seed {seed}: {error}");
            }
        }
    }
    assert_eq!(failures, 0, "of {} schedules", seeds.len());
}
