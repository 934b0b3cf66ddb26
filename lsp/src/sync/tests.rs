//! The driver against two replicas in memory: what faces see, what survives a
//! restart, a lost link, a torn file.

use std::sync::Arc;
use std::time::Duration;

use protocol::io::connection::Connection;
use tokio::sync::{mpsc, watch};

use super::*;

mod fake;
use fake::{FakeTree, Fakes};

struct World {
    alpha: Arc<FakeTree>,
    beta: Arc<FakeTree>,
    state: tempfile::TempDir,
    connection_tx: watch::Sender<Option<Connection>>,
    batch_rx: mpsc::Receiver<Batch>,
    batch_tx: mpsc::Sender<Batch>,
    sync: Sync,
}

fn spec() -> SyncSpec {
    SyncSpec {
        name: "test".into(),
        alpha: "/work".into(),
        beta: "/app".into(),
        ignore: Vec::new(),
        include: Vec::new(),
        mode: Mode::default(),
    }
}

impl World {
    /// A running sync of these two trees.
    fn new(alpha: &[(&str, &str)], beta: &[(&str, &str)]) -> Self {
        let (alpha, beta) = (FakeTree::new(1, alpha), FakeTree::new(2, beta));
        let state = tempfile::tempdir().unwrap();
        let (connection_tx, _) = watch::channel(Some(Connection::memory_pair().0));
        let (batch_tx, batch_rx) = mpsc::channel(8);
        let sync = start(&state, &alpha, &beta, &connection_tx, &batch_tx);
        Self { alpha, beta, state, connection_tx, batch_rx, batch_tx, sync }
    }

    /// Ends the sync and starts it again.
    async fn restart(&mut self) {
        self.sync.stop().await;
        self.start_again();
    }

    fn start_again(&mut self) {
        self.sync =
            start(&self.state, &self.alpha, &self.beta, &self.connection_tx, &self.batch_tx);
    }

    async fn wait(&self) {
        within(self.sync.wait()).await.unwrap();
    }

    /// Both trees hold exactly this.
    fn both(&self, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().copied().map(owned).collect();
        assert_eq!(self.alpha.files(), expected, "alpha");
        assert_eq!(self.beta.files(), expected, "beta");
    }

    async fn phase(&self, is: impl Fn(&SyncPhase) -> bool) -> SyncStatus {
        let mut status_rx = self.sync.status();
        let found = within(status_rx.wait_for(|status| is(&status.phase))).await;
        found.unwrap().clone()
    }
}

fn start(
    state: &tempfile::TempDir,
    alpha: &Arc<FakeTree>,
    beta: &Arc<FakeTree>,
    connection_tx: &watch::Sender<Option<Connection>>,
    batch_tx: &mpsc::Sender<Batch>,
) -> Sync {
    let fakes = Fakes { alpha: alpha.clone(), beta: beta.clone() };
    let place = state.path().join("sync");
    let connection_rx = connection_tx.subscribe();
    Sync::start_with(spec(), place, connection_rx, batch_tx.clone(), Arc::new(fakes))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

#[tokio::test]
async fn two_trees_are_united_and_edits_travel_both_ways() {
    let mut world = World::new(
        &[("a", "1"), ("dir/b", "2"), ("same", "="), ("differs", "alpha's")],
        &[("c", "3"), ("same", "="), ("differs", "beta's")],
    );
    world.wait().await;
    let united = [("a", "1"), ("c", "3"), ("differs", "alpha's"), ("dir/b", "2"), ("same", "=")];
    world.both(&united);
    assert_eq!(world.beta.trash_contents(), ["beta's"]);
    let batch = within(world.batch_rx.recv()).await.unwrap();
    assert_eq!(batch.count, 4, "a, dir, dir/b and differs: {batch:?}");

    world.alpha.write("a", "edited here");
    world.beta.write("c", "edited there");
    world.alpha.remove("same");
    world.wait().await;
    world.both(&[
        ("a", "edited here"),
        ("c", "edited there"),
        ("differs", "alpha's"),
        ("dir/b", "2"),
    ]);
    let status = world.phase(|phase| *phase == SyncPhase::InSync).await;
    assert_eq!((status.files, status.conflicts, status.pending), (4, 0, 0), "{status:?}");
    assert!(
        status.recent.iter().any(|edit| edit.path == "a" && edit.direction == Direction::ToTarget)
    );
}

#[tokio::test]
async fn an_edit_that_came_along_needs_no_fetch() {
    let world = World::new(&[("a", "1")], &[("a", "1")]);
    world.wait().await;
    let mut status_rx = world.sync.status();
    world.alpha.write("a", "2");
    within(status_rx.wait_for(|status| status.applied_beta == 1)).await.unwrap();
    world.both(&[("a", "2")]);
    assert_eq!(world.alpha.fetches(), 0);
}

async fn conflicted() -> World {
    let mut world = World::new(&[("f.txt", "0")], &[("f.txt", "0")]);
    world.wait().await;
    world.sync.stop().await;
    world.alpha.write("f.txt", "alpha's");
    world.beta.write("f.txt", "beta's");
    world.start_again();
    world.wait().await;
    let conflicts = world.sync.conflicts().await.unwrap();
    let conflict = Conflict { path: "f.txt".into(), alpha: "edited".into(), beta: "edited".into() };
    assert_eq!(conflicts, [conflict]);
    assert!(world.sync.why("f.txt").await.unwrap().contains("both sides"));
    assert_eq!(world.alpha.files(), [("f.txt", "alpha's")].map(owned));
    assert_eq!(world.beta.files(), [("f.txt", "beta's")].map(owned));
    world
}

fn owned((path, content): (&str, &str)) -> (String, String) {
    (path.to_owned(), content.to_owned())
}

#[tokio::test]
async fn a_conflict_keeps_both_contents_until_one_is_kept() {
    for (keep, content, lost) in
        [(Keep::Alpha, "alpha's", "beta's"), (Keep::Beta, "beta's", "alpha's")]
    {
        let world = conflicted().await;
        assert!(world.sync.resolve("other", keep).await.is_err());
        world.sync.resolve("/work/f.txt", keep).await.unwrap();
        world.wait().await;
        world.both(&[("f.txt", content)]);
        let trash = if keep == Keep::Alpha { &world.beta } else { &world.alpha };
        assert_eq!(trash.trash_contents(), [lost]);
        assert!(world.sync.conflicts().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn keeping_both_puts_the_targets_content_beside() {
    let world = conflicted().await;
    world.beta.write("f.conflict-target.txt", "taken");
    world.wait().await;
    world.sync.resolve("f.txt", Keep::Both).await.unwrap();
    world.wait().await;
    world.both(&[
        ("f.conflict-target-2.txt", "beta's"),
        ("f.conflict-target.txt", "taken"),
        ("f.txt", "alpha's"),
    ]);
}

#[tokio::test]
async fn undo_brings_back_what_was_displaced_last() {
    let world = conflicted().await;
    world.sync.resolve("f.txt", Keep::Alpha).await.unwrap();
    world.wait().await;
    let said = world.sync.undo(Some("f.txt")).await.unwrap();
    assert_eq!(said, "brought back `f.txt` on the target");
    world.wait().await;
    world.both(&[("f.txt", "beta's")]);
    assert!(world.sync.undo(Some("nothing")).await.is_err());
}

#[tokio::test]
async fn a_deletion_while_stopped_is_a_deletion_after_the_restart() {
    let mut world = World::new(&[("a", "1"), ("b", "2"), ("c", "3")], &[]);
    world.wait().await;
    world.sync.stop().await;
    world.alpha.remove("a");
    world.beta.remove("b");
    world.start_again();
    world.wait().await;
    world.both(&[("c", "3")]);
}

#[tokio::test]
async fn a_torn_ancestor_costs_no_file() {
    let mut world = World::new(&[("a", "1"), ("b", "2")], &[]);
    world.wait().await;
    world.sync.stop().await;
    let path = world.state.path().join("sync/ancestor");
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 3, 7, 20, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        world.start_again();
        world.wait().await;
        world.both(&[("a", "1"), ("b", "2")]);
        world.sync.stop().await;
    }
    world.alpha.remove("a");
    world.start_again();
    world.wait().await;
    world.both(&[("b", "2")]);
}

#[tokio::test]
async fn what_happens_without_a_link_is_made_up_for() {
    let world = World::new(&[("a", "1"), ("b", "2"), ("c", "3")], &[]);
    world.wait().await;
    world.connection_tx.send_replace(None);
    world.beta.disconnect();
    world.phase(|phase| *phase == SyncPhase::Waiting).await;
    world.alpha.write("a", "offline here");
    world.beta.write("b", "offline there");
    world.beta.remove("c");
    world.connection_tx.send_replace(Some(Connection::memory_pair().0));
    world.wait().await;
    world.both(&[("a", "offline here"), ("b", "offline there")]);
}

#[tokio::test]
async fn an_emptied_target_brakes_and_can_be_restored() {
    let world = World::new(&[("a", "1"), ("b", "2"), ("c", "3")], &[]);
    world.wait().await;
    ["a", "b", "c"].into_iter().for_each(|path| world.beta.remove(path));
    world.phase(|phase| matches!(phase, SyncPhase::Braked { .. })).await;
    assert_eq!(world.alpha.files().len(), 3);
    let error = within(world.sync.wait()).await.unwrap_err();
    assert!(error.0.contains("everything is gone"), "{error}");
    world.sync.resume(Resume::Restore).await.unwrap();
    world.wait().await;
    world.both(&[("a", "1"), ("b", "2"), ("c", "3")]);
    assert!(world.sync.resume(Resume::Delete).await.is_err());
}

#[tokio::test]
async fn an_emptied_local_folder_deletes_only_by_the_users_word() {
    let world = World::new(&[("a", "1"), ("b", "2")], &[]);
    world.wait().await;
    ["a", "b"].into_iter().for_each(|path| world.alpha.remove(path));
    world.phase(|phase| matches!(phase, SyncPhase::Braked { .. })).await;
    assert_eq!(world.beta.files().len(), 2);
    world.sync.resume(Resume::Delete).await.unwrap();
    world.wait().await;
    world.both(&[]);
}

#[tokio::test]
async fn another_tree_on_the_target_is_united_not_obeyed() {
    let world = World::new(&[("a", "1"), ("b", "2"), ("c", "3")], &[]);
    world.wait().await;
    world.beta.become_another(9, &[("b", "from the image"), ("d", "4")]);
    world.beta.disconnect();
    world.connection_tx.send_replace(Some(Connection::memory_pair().0));
    world.wait().await;
    world.both(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    assert_eq!(world.beta.trash_contents(), ["from the image"]);
}

#[tokio::test]
async fn a_lost_root_halts_and_comes_back() {
    let world = World::new(&[("a", "1"), ("b", "2")], &[]);
    world.wait().await;
    world.alpha.lose("it was unmounted");
    let status = world.phase(|phase| matches!(phase, SyncPhase::Halted { .. })).await;
    assert!(format!("{:?}", status.phase).contains("it was unmounted"));
    world.beta.write("b", "meanwhile");
    world.alpha.find();
    world.phase(|phase| *phase == SyncPhase::InSync).await;
    world.wait().await;
    world.both(&[("a", "1"), ("b", "meanwhile")]);
}

#[tokio::test]
async fn pausing_holds_everything_back() {
    let world = World::new(&[("a", "1")], &[("a", "1")]);
    world.wait().await;
    world.sync.pause().await.unwrap();
    world.alpha.write("a", "2");
    assert!(within(world.sync.wait()).await.is_err());
    assert_eq!(world.beta.files(), [owned(("a", "1"))]);
    world.sync.resume(Resume::Plain).await.unwrap();
    world.wait().await;
    world.both(&[("a", "2")]);
}

#[tokio::test]
async fn a_full_disk_is_a_problem_that_ends_by_itself() {
    let world = World::new(&[("a", "1"), ("b", "2")], &[]);
    world.wait().await;
    world.beta.set_full(true);
    world.alpha.write("a", "does not fit");
    let mut status_rx = world.sync.status();
    let status =
        within(status_rx.wait_for(|status| !status.problems.is_empty())).await.unwrap().clone();
    assert_eq!(status.problems[0].0, "a");
    world.alpha.remove("b");
    world.beta.set_full(false);
    within(status_rx.wait_for(|status| status.problems.is_empty() && status.files == 1))
        .await
        .unwrap();
    world.both(&[("a", "does not fit")]);
}

#[tokio::test]
async fn a_large_file_travels_as_a_delta() {
    let large = "x".repeat(400_000);
    let mut world = World::new(&[("large", &large)], &[]);
    world.wait().await;
    world.both(&[("large", &large)]);
    let edited = format!("{large}and more");
    world.alpha.write("large", &edited);
    world.wait().await;
    world.both(&[("large", &edited)]);
    assert!(world.beta.delta_bytes() < 420_000, "{}", world.beta.delta_bytes());
    world.restart().await;
    world.wait().await;
    world.both(&[("large", &edited)]);
}

#[tokio::test]
async fn forgetting_leaves_nothing() {
    let world = World::new(&[("a", "1")], &[]);
    world.wait().await;
    world.sync.forget().await;
    assert!(!world.state.path().join("sync").exists());
    assert!(world.sync.wait().await.is_err());
}
