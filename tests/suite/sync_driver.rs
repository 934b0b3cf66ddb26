//! Suite: sync, between two real trees: the hub's driver and the agent's router,
//! joined by a connection in memory.

#![allow(clippy::unwrap_used, reason = "what a helper cannot do fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use agent::context::Context;
use agent::router::Router;
use lsp::sync::{Batch, Keep, Resume, Sync, SyncPhase, SyncSpec};
use protocol::io::connection::Connection;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

struct World {
    home: TempDir,
    router: Router,
    connection_tx: watch::Sender<Option<Connection>>,
    batch_tx: mpsc::Sender<Batch>,
    batch_rx: mpsc::Receiver<Batch>,
    sync: Sync,
}

impl World {
    async fn new(alpha: &[(&str, &str)], beta: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        for (root, files) in [("alpha", alpha), ("target/app", beta)] {
            fs::create_dir_all(home.path().join(root)).unwrap();
            for (path, content) in files {
                put(&home.path().join(root).join(path), content);
            }
        }
        let context = Context {
            root: home.path().join("target"),
            state_dir: home.path().join("agent"),
            shutdown: Default::default(),
            marker: "test".into(),
        };
        let router = Router::new(context);
        let (connection_tx, _) = watch::channel(None);
        let (batch_tx, batch_rx) = mpsc::channel(64);
        let sync = start(&home, &connection_tx, &batch_tx);
        let world = Self { home, router, connection_tx, batch_tx, batch_rx, sync };
        world.connect();
        world.wait().await;
        world
    }

    fn connect(&self) {
        let (hub, agent) = Connection::memory_pair();
        let router = self.router.clone();
        tokio::spawn(async move { router.serve(agent).await });
        self.connection_tx.send_replace(Some(hub));
    }

    fn disconnect(&self) {
        if let Some(connection) = self.connection_tx.send_replace(None) {
            connection.close("test");
        }
    }

    fn alpha(&self, path: &str) -> std::path::PathBuf {
        self.home.path().join("alpha").join(path)
    }

    fn beta(&self, path: &str) -> std::path::PathBuf {
        self.home.path().join("target/app").join(path)
    }

    async fn wait(&self) {
        let waited = within(self.sync.wait()).await;
        waited.unwrap_or_else(|error| panic!("{error}: {:?}", self.sync.status().borrow()));
    }

    /// Both trees hold the same, and this.
    fn both(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(path, what)| ((*path).to_owned(), (*what).to_owned())).collect();
        let status = self.sync.status().borrow().clone();
        for (name, root) in [("alpha", self.alpha("")), ("beta", self.beta(""))] {
            let found = tree(&root);
            let names: Vec<_> = found.keys().collect();
            assert!(found == expected, "{name} holds {names:?}: {status:?}");
        }
    }
}

fn start(
    home: &TempDir,
    connection_tx: &watch::Sender<Option<Connection>>,
    batch_tx: &mpsc::Sender<Batch>,
) -> Sync {
    let spec = SyncSpec {
        name: "test".into(),
        alpha: home.path().join("alpha"),
        beta: "/app".into(),
        ignore: vec!["*.log".into()],
        include: Vec::new(),
        mode: protocol::sync::mode::Mode::default(),
    };
    Sync::start(spec, home.path().join("state"), connection_tx.subscribe(), batch_tx.clone())
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it takes too long")
}

fn put(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Files with their content, links as `→ target`; directories only when empty.
/// What Towline keeps in a tree is left out.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        let mut empty = true;
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            empty = false;
            if entry.file_name() == ".towline" {
                continue;
            }
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_symlink() {
                found.insert(name, format!("→ {}", fs::read_link(path).unwrap().display()));
            } else {
                found.insert(name, String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
            }
        }
        if empty && dir != root {
            found.insert(dir.strip_prefix(root).unwrap().display().to_string(), "/".into());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn two_trees_become_one_and_stay_so() {
    let mut world = World::new(
        &[("main.py", "print(1)"), ("pkg/a.py", "a"), ("same", "="), ("x.log", "local")],
        &[("same", "="), ("data/seed.sql", "insert"), ("main.py", "old")],
    )
    .await;
    let shared =
        [("data/seed.sql", "insert"), ("main.py", "print(1)"), ("pkg/a.py", "a"), ("same", "=")];
    fs::remove_file(world.alpha("x.log")).unwrap();
    world.both(&shared);
    assert!(within(world.batch_rx.recv()).await.unwrap().count > 0);

    put(&world.alpha("main.py"), "print(2)");
    put(&world.beta("data/out.csv"), "1,2");
    fs::rename(world.alpha("pkg"), world.alpha("lib")).unwrap();
    std::os::unix::fs::symlink("main.py", world.alpha("run")).unwrap();
    fs::set_permissions(world.alpha("same"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(world.beta("empty")).unwrap();
    world.wait().await;
    world.both(&[
        ("data/out.csv", "1,2"),
        ("data/seed.sql", "insert"),
        ("empty", "/"),
        ("lib/a.py", "a"),
        ("main.py", "print(2)"),
        ("run", "→ main.py"),
        ("same", "="),
    ]);
    let mode = fs::metadata(world.beta("same")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_and_a_file_may_change_places() {
    let world = World::new(&[("a/x", "1"), ("a/y/z", "2"), ("b", "3"), ("keep", "k")], &[]).await;
    fs::remove_dir_all(world.alpha("a")).unwrap();
    put(&world.alpha("a"), "now a file");
    fs::remove_file(world.beta("b")).unwrap();
    put(&world.beta("b/inner"), "now a directory");
    world.wait().await;
    world.both(&[("a", "now a file"), ("b/inner", "now a directory"), ("keep", "k")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_travel_and_change() {
    let large: String = (0..200_000).map(|n| format!("{n} ")).collect();
    let world = World::new(&[("large", &large)], &[]).await;
    world.both(&[("large", &large)]);
    let edited = large.replacen("5000 ", "fivethousand ", 1);
    put(&world.beta("large"), &edited);
    world.wait().await;
    world.both(&[("large", &edited)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_without_a_link_and_across_a_restart_are_made_up_for() {
    let mut world = World::new(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")], &[]).await;
    world.disconnect();
    put(&world.alpha("a"), "offline here");
    put(&world.beta("b"), "offline there");
    fs::remove_file(world.beta("c")).unwrap();
    world.connect();
    world.wait().await;
    world.both(&[("a", "offline here"), ("b", "offline there"), ("d", "4")]);
    world.sync.stop().await;
    fs::remove_file(world.alpha("d")).unwrap();
    put(&world.beta("e"), "5");
    world.sync = start(&world.home, &world.connection_tx, &world.batch_tx);
    world.wait().await;
    world.both(&[("a", "offline here"), ("b", "offline there"), ("e", "5")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_on_both_sides_is_a_conflict_that_keeps_both() {
    let mut world = World::new(&[("f", "0"), ("g", "0")], &[]).await;
    world.sync.stop().await;
    put(&world.alpha("f"), "alpha's");
    put(&world.beta("f"), "beta's");
    world.sync = start(&world.home, &world.connection_tx, &world.batch_tx);
    world.wait().await;
    assert_eq!(world.sync.conflicts().await.unwrap().len(), 1);
    assert_eq!(fs::read_to_string(world.alpha("f")).unwrap(), "alpha's");
    assert_eq!(fs::read_to_string(world.beta("f")).unwrap(), "beta's");
    world.sync.resolve("f", Keep::Both).await.unwrap();
    world.wait().await;
    world.both(&[("f", "alpha's"), ("f.conflict-target", "beta's"), ("g", "0")]);
    let said = world.sync.undo(Some("f")).await.unwrap();
    world.wait().await;
    assert!(said.contains("on the target"), "{said}");
    world.both(&[("f", "beta's"), ("f.conflict-target", "beta's"), ("g", "0")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_local_folder_ignores_is_not_fetched_from_the_target() {
    let world = World::new(
        &[(".gitignore", "node_modules\n"), ("index.js", "1")],
        &[("node_modules/left-pad/index.js", "big"), ("index.js", "1")],
    )
    .await;
    assert!(!world.alpha("node_modules").exists());
    assert_eq!(fs::read_to_string(world.beta("node_modules/left-pad/index.js")).unwrap(), "big");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_target_never_empties_the_local_folder() {
    let files = [("all/a", "1"), ("all/dir/b", "2"), ("all/dir/c", "3")];
    let world = World::new(&files, &[]).await;
    // In one step: a pause within would be the deletion of a part.
    fs::rename(world.beta("all"), world.home.path().join("elsewhere")).unwrap();
    let mut status_rx = world.sync.status();
    let braked = |phase: &SyncPhase| matches!(phase, SyncPhase::Braked { .. });
    within(status_rx.wait_for(|status| braked(&status.phase))).await.unwrap();
    assert_eq!(tree(&world.alpha("")).len(), 3);
    world.sync.resume(Resume::Restore).await.unwrap();
    world.wait().await;
    world.both(&files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_edits_of_one_file_end_equal() {
    let world = World::new(&[("f", "0"), ("other", "x")], &[]).await;
    for n in 0..1000 {
        let root = if n % 2 == 0 { world.alpha("f") } else { world.alpha("other") };
        fs::write(root, format!("{n}")).unwrap();
    }
    world.wait().await;
    world.both(&[("f", "998"), ("other", "999")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_removes_every_trace() {
    let world = World::new(&[("a", "1")], &[]).await;
    world.sync.forget().await;
    let traces = |root: &Path| root.join(".towline").exists();
    assert!(!traces(&world.alpha("")) && !traces(&world.beta("")));
    assert_eq!(fs::read_dir(world.home.path().join("state")).unwrap().count(), 0);
}
