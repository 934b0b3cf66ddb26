//! Single decisions that the simulation would only meet by chance.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::error::{ErrorCode, WireError};
use crate::limits::SYNC_BATCH_OPS_MAX;
use crate::sync::entry::{BEING_WRITTEN, IGNORED, Observation, Outcome};

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn file(content: u8) -> Option<Entry> {
    Some(Entry::File { digest: [content; 32], size: 100, mode: 0o644, mtime_ns: 0 })
}

fn directory() -> Option<Entry> {
    Some(Entry::Directory { mode: 0o755 })
}

/// A controller, its replicas' revisions and what it wants done.
struct World {
    controller: Controller,
    rev: [u64; 2],
    now: Duration,
    waiting: Vec<Effect>,
}

impl World {
    fn new(both: &[(&str, Option<Entry>)]) -> Self {
        let controller = Controller::new(Mode::TwoWaySafe, []);
        let mut world = Self { controller, rev: [0; 2], now: Duration::ZERO, waiting: Vec::new() };
        for side in [Side::Alpha, Side::Beta] {
            world.controller.opened(side);
            world.scan(side, both);
        }
        assert_eq!(world.effects(), []);
        world
    }

    fn scan(&mut self, side: Side, entries: &[(&str, Option<Entry>)]) {
        self.observe(
            side,
            Observation::ScanStarted { replica: [u8::from(side == Side::Beta); 16] },
        );
        for (at, state) in entries {
            self.see(side, at, state.clone());
        }
        let rev = self.next(side);
        self.observe(side, Observation::ScanDone { rev });
    }

    fn next(&mut self, side: Side) -> u64 {
        self.rev[index(side)] += 1;
        self.rev[index(side)]
    }

    fn observe(&mut self, side: Side, observation: Observation) {
        self.controller.observe(side, observation, self.now);
    }

    fn see(&mut self, side: Side, at: &str, state: Option<Entry>) {
        let rev = self.next(side);
        self.observe(side, Observation::Seen { rev, path: path(at), state, body: None });
    }

    /// What it wants done, without bookkeeping.
    fn effects(&mut self) -> Vec<Effect> {
        let mut effects = core::mem::take(&mut self.waiting);
        while let Some(effect) = self.controller.poll(self.now) {
            if !matches!(effect, Effect::Record(_) | Effect::Visible { .. }) {
                effects.push(effect);
            }
        }
        effects
    }

    /// The edits of all batches, as `>path` (to beta) or `<path`.
    fn carried(&mut self) -> Vec<String> {
        let mut carried = Vec::new();
        for effect in self.effects() {
            let (to, ops) = match effect {
                Effect::Apply { to, edits, .. } => {
                    (to, edits.into_iter().map(|edit| edit.op).collect())
                }
                Effect::Transfer { to, op, .. } => (to, vec![op]),
                other => panic!("unexpected: {other:?}"),
            };
            let sign = if to == Side::Beta { '>' } else { '<' };
            carried.extend(ops.into_iter().map(|op: Op| {
                format!("{sign}{}{}", if op.new.is_none() { "-" } else { "" }, op.path)
            }));
        }
        carried
    }

    fn applied(&mut self, to: Side, at: &str, state: Option<Entry>) {
        let rev = self.next(to);
        let report = Report::Outcome(Outcome::Applied { rev, state });
        self.controller.report(to, &path(at), report, self.now);
    }

    fn pass(&mut self, ms: u64) {
        self.waiting = self.effects();
        self.now += Duration::from_millis(ms);
    }

    fn braked(&self) -> Option<String> {
        match self.controller.phase() {
            Phase::Braked(reason) => Some(reason),
            _ => None,
        }
    }
}

fn numbered(n: usize) -> Vec<(String, Option<Entry>)> {
    (0..n).map(|n| (format!("f{n:05}"), file(1))).collect()
}

fn borrowed(entries: &[(String, Option<Entry>)]) -> Vec<(&str, Option<Entry>)> {
    entries.iter().map(|(at, state)| (at.as_str(), state.clone())).collect()
}

#[test]
fn a_late_observation_does_not_undo_an_outcome() {
    let mut world = World::new(&[("a", file(1))]);
    world.see(Side::Alpha, "a", file(2));
    assert_eq!(world.carried(), [">a"]);
    let late = world.next(Side::Beta);
    world.applied(Side::Beta, "a", file(2));
    let old = Observation::Seen { rev: late, path: path("a"), state: file(1), body: None };
    world.observe(Side::Beta, old);
    assert!(matches!(world.effects()[..], [Effect::BatchVisible { count: 1, .. }]));
    assert_eq!(world.controller.phase(), Phase::Settled);
}

#[test]
fn an_edit_during_a_flight_is_carried_after_it() {
    let mut world = World::new(&[("a", file(1))]);
    world.see(Side::Alpha, "a", file(2));
    assert_eq!(world.carried(), [">a"]);
    world.see(Side::Alpha, "a", file(3));
    assert_eq!(world.carried(), [""; 0]);
    world.applied(Side::Beta, "a", file(2));
    let effects = world.effects();
    let [Effect::Apply { edits, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((&edits[0].op.base, &edits[0].op.new), (&file(2), &file(3)));
}

#[test]
fn an_ignored_path_is_never_a_deletion() {
    let mut world = World::new(&[("a", file(1)), ("dir", directory()), ("dir/b", file(1))]);
    world.see(Side::Alpha, "c", file(1));
    assert_eq!(world.carried(), [">c"]);
    world.applied(Side::Beta, "c", file(1));
    assert_eq!(world.effects().len(), 1, "a batch is visible");
    let ignored = |at| Observation::Problem { path: path(at), problem: Some(IGNORED.to_string()) };
    world.observe(Side::Alpha, ignored("a"));
    world.observe(Side::Alpha, ignored("dir"));
    world.scan(Side::Alpha, &[("c", file(1))]);
    world.see(Side::Beta, "dir/new", file(2));
    world.see(Side::Beta, "a", file(3));
    world.pass(5000);
    assert_eq!(world.carried(), [""; 0]);
    assert!(world.controller.summary().problems.is_empty());
    assert!(world.controller.why(&path("dir/b")).unwrap().contains("ignore rule"));
}

#[test]
fn what_is_being_written_is_no_problem_and_no_deletion() {
    let mut world = World::new(&[("a", file(1))]);
    let problem = Some(BEING_WRITTEN.to_string());
    world.observe(Side::Alpha, Observation::Problem { path: path("a"), problem });
    world.scan(Side::Alpha, &[]);
    world.pass(5000);
    assert_eq!(world.carried(), [""; 0]);
    assert!(world.controller.summary().problems.is_empty());
    assert!(world.controller.why(&path("a")).unwrap().contains("its writer"));
}

#[test]
fn what_cannot_be_read_is_a_problem_not_a_deletion() {
    let mut world = World::new(&[("a", file(1)), ("dir", directory()), ("dir/b", file(1))]);
    let problem = Some("permission denied".to_string());
    world.observe(Side::Beta, Observation::Problem { path: path("dir"), problem });
    world.scan(Side::Beta, &[("a", file(1))]);
    world.pass(5000);
    assert_eq!(world.carried(), [""; 0]);
    assert_eq!(world.controller.summary().problems.len(), 1);
    world.observe(Side::Beta, Observation::Problem { path: path("dir"), problem: None });
    world.scan(Side::Beta, &[("a", file(1)), ("dir", directory())]);
    world.pass(5000);
    assert_eq!(world.carried(), ["<-dir/b"]);
}

#[test]
fn a_directory_goes_after_what_is_in_it() {
    let mut world = World::new(&[
        ("keep", file(1)),
        ("dir", directory()),
        ("dir/sub", directory()),
        ("dir/sub/f", file(1)),
    ]);
    for at in ["dir/sub/f", "dir/sub", "dir"] {
        world.see(Side::Alpha, at, None);
    }
    assert_eq!(world.carried(), [""; 0], "deletions are held first");
    world.pass(60);
    assert_eq!(world.carried(), [">-dir/sub/f"]);
    world.applied(Side::Beta, "dir/sub/f", None);
    assert_eq!(world.carried(), [">-dir/sub"]);
    world.applied(Side::Beta, "dir/sub", None);
    assert_eq!(world.carried(), [">-dir"]);
}

#[test]
fn an_edit_below_a_deleted_directory_brings_the_directory_back() {
    let mut world = World::new(&[
        ("keep", file(1)),
        ("dir", directory()),
        ("dir/f", file(1)),
        ("dir/g", file(1)),
    ]);
    for at in ["dir/f", "dir/g", "dir"] {
        world.see(Side::Alpha, at, None);
    }
    world.see(Side::Beta, "dir/f", file(2));
    assert_eq!(world.carried(), ["<dir"]);
    world.applied(Side::Alpha, "dir", directory());
    assert_eq!(world.carried(), ["<dir/f"]);
    world.pass(60);
    assert_eq!(world.carried(), [">-dir/g"]);
}

#[test]
fn a_file_for_a_directory_with_an_edit_inside_is_a_conflict() {
    let mut world = World::new(&[("dir", directory()), ("dir/f", file(1))]);
    world.see(Side::Alpha, "dir/f", None);
    world.see(Side::Alpha, "dir", file(5));
    world.see(Side::Beta, "dir/f", file(2));
    world.pass(100);
    assert_eq!(world.carried(), [""; 0]);
    let conflicts: Vec<_> = world.controller.conflicts().map(|view| view.path).collect();
    assert_eq!(conflicts, [path("dir")]);
    assert_eq!(world.controller.phase(), Phase::Settled);
    world.controller.resolve(&path("dir"), Side::Alpha);
    assert_eq!(world.carried(), [">-dir/f"]);
    world.applied(Side::Beta, "dir/f", None);
    assert_eq!(world.carried(), [">dir"]);
}

#[test]
fn a_moved_file_is_never_missing_on_both_names() {
    let mut world = World::new(&[("old", file(1)), ("other", file(1))]);
    world.see(Side::Alpha, "old", None);
    world.see(Side::Alpha, "new", file(1));
    assert_eq!(world.carried(), [">new"], "the new name goes at once, the old one is held");
    world.applied(Side::Beta, "new", file(1));
    world.pass(60);
    assert!(world.effects().iter().any(|effect| matches!(effect, Effect::Apply { .. })));
}

#[test]
fn a_name_gone_for_a_moment_is_no_deletion() {
    let mut world = World::new(&[("a", file(1)), ("b", file(1))]);
    world.see(Side::Alpha, "a", None);
    world.pass(30);
    assert_eq!(world.carried(), [""; 0]);
    world.see(Side::Alpha, "a", file(2));
    assert_eq!(world.carried(), [">a"]);
}

#[test]
fn the_brake_stops_many_deletions_towards_alpha_only() {
    let entries = numbered(1000);
    let entries = borrowed(&entries);
    for (gone, brakes) in [(200, false), (201, true)] {
        let mut world = World::new(&entries);
        world.scan(Side::Beta, &entries[gone..]);
        world.pass(300);
        assert_eq!(world.carried().len(), if brakes { 0 } else { gone }, "{gone} gone");
        assert_eq!(world.braked().is_some(), brakes, "{gone} gone");
    }
    let mut world = World::new(&entries);
    world.scan(Side::Alpha, &entries[990..]);
    world.pass(60);
    assert_eq!(world.carried().len(), 990);
    assert_eq!(world.braked(), None);
}

#[test]
fn deletions_in_small_portions_are_one_burst() {
    let entries = numbered(1000);
    let entries = borrowed(&entries);
    let mut world = World::new(&entries);
    let mut carried = 0;
    for (at, _) in &entries[..400] {
        world.see(Side::Beta, at, None);
        world.pass(12);
        carried += world.carried().len();
    }
    world.pass(300);
    carried += world.carried().len();
    assert!(carried <= 200, "{carried} deleted");
    assert!(world.braked().is_some());
}

#[test]
fn a_braked_direction_still_carries_edits() {
    let entries = numbered(5);
    let entries = borrowed(&entries);
    let mut world = World::new(&entries);
    world.scan(Side::Beta, &[]);
    world.pass(300);
    assert_eq!(world.carried(), [""; 0]);
    assert!(world.braked().unwrap().contains("everything is gone"));
    world.see(Side::Beta, "new", file(2));
    assert_eq!(world.carried(), ["<new"]);
    assert!(world.controller.resume(Resume::Restore));
    assert_eq!(world.carried().len(), 5);
}

#[test]
fn an_urgent_edit_does_not_wait_behind_a_bulk() {
    let mut world = World::new(&[("edited", file(1))]);
    let many = numbered(4000);
    world.observe(Side::Alpha, Observation::ScanStarted { replica: [0; 16] });
    for (at, state) in &many {
        world.see(Side::Alpha, at, state.clone());
    }
    let bulk = world.effects();
    assert!(bulk.iter().all(|effect| {
        matches!(effect, Effect::Apply { class: Class::Bulk, edits, .. } if edits.len() <= SYNC_BATCH_OPS_MAX)
    }));
    assert!(world.controller.pending() == 4000);
    let rev = world.next(Side::Alpha);
    let body = Some(vec![0; 100]);
    world.observe(
        Side::Alpha,
        Observation::Seen { rev, path: path("edited"), state: file(2), body: body.clone() },
    );
    let effects = world.effects();
    let [Effect::Apply { class: Class::Edit, edits, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(edits[0].body, body);
}

#[test]
fn a_large_file_flies_alone() {
    let mut world = World::new(&[]);
    let large = Some(Entry::File { digest: [9; 32], size: 1 << 30, mode: 0o644, mtime_ns: 0 });
    world.see(Side::Alpha, "large", large.clone());
    world.see(Side::Alpha, "small", file(1));
    let effects = world.effects();
    assert_eq!(effects.len(), 2);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Transfer { op, .. } if op.new == large))
    );
}

#[test]
fn a_failure_is_listed_tried_again_and_stops_nobody_else() {
    let mut world = World::new(&[("a", file(1)), ("b", file(1))]);
    world.see(Side::Alpha, "a", file(2));
    assert_eq!(world.carried(), [">a"]);
    let error = WireError::new(ErrorCode::NoSpace, "no space left");
    let report = Report::Outcome(Outcome::Failed(error));
    world.controller.report(Side::Beta, &path("a"), report, world.now);
    assert_eq!(world.carried(), [""; 0]);
    assert_eq!(world.controller.summary().problems, [(path("a"), "no space left".to_string())]);
    world.see(Side::Alpha, "b", file(2));
    assert_eq!(world.carried(), [">b"]);
    world.now = world.controller.deadline().unwrap();
    assert_eq!(world.carried(), [">a"]);
    world.applied(Side::Beta, "a", file(2));
    assert!(world.controller.summary().problems.is_empty());
}

#[test]
fn hooks_hear_of_a_batch_when_nothing_is_left_on_its_way() {
    let mut world = World::new(&[("a", file(1)), ("b", file(1))]);
    world.see(Side::Alpha, "a", file(2));
    world.see(Side::Alpha, "b", file(2));
    assert_eq!(world.carried().len(), 2);
    world.applied(Side::Beta, "a", file(2));
    assert_eq!(world.effects(), []);
    world.applied(Side::Beta, "b", file(2));
    let visible = Effect::BatchVisible { paths: vec![path("a"), path("b")], count: 2 };
    assert_eq!(world.effects(), [visible]);
}

#[test]
fn a_replaced_replica_voids_the_ancestor() {
    let mut world = World::new(&[("a", file(1)), ("b", file(1))]);
    world.controller.opened(Side::Beta);
    world.rev[1] = 0;
    world.observe(Side::Beta, Observation::ScanStarted { replica: [9; 16] });
    world.see(Side::Beta, "a", file(7));
    let rev = world.next(Side::Beta);
    world.observe(Side::Beta, Observation::ScanDone { rev });
    let effects = world.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Void(_))));
    let carried: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Apply { to: Side::Beta, edits, .. } => Some(edits),
            _ => None,
        })
        .flatten()
        .map(|edit| edit.op.path.to_string())
        .collect();
    assert_eq!(carried, ["a", "b"]);
}

#[test]
fn a_resting_lane_is_small() {
    assert!(size_of::<Lane>() <= 96, "{}", size_of::<Lane>());
}

#[test]
fn records_of_another_replica_are_void_though_they_are_still_there() {
    let bound = |beta: u8| Record::Bound {
        alpha: Some([0; 16]),
        beta: Some([beta; 16]),
        joined: beta == 1,
    };
    let ancestor = Ancestor::same(file(1).unwrap());
    let agreed = |at| Record::Agreed { path: path(at), ancestor: ancestor.clone() };
    let records = [bound(1), agreed("old"), bound(2), agreed("new")];
    let controller = Controller::new(Mode::TwoWaySafe, records);
    let kept: Vec<_> = controller.records().collect();
    assert_eq!(kept, [bound(2), agreed("new")]);
    assert_eq!(controller.totals.agreed, 1);
}
