//! A peer that means harm, and disks that refuse.

use super::*;

#[tokio::test]
async fn no_edit_leaves_the_root() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let target = outside.path().to_owned();
    let mut bench = Bench::new(move |root| {
        symlink(&target, root.join("out")).unwrap();
        std::fs::create_dir(root.join("d")).unwrap();
        symlink("../d", root.join("d/loop")).unwrap();
    })
    .await;
    let secret = file(b"secret", 0o644);
    let new = file(b"new", 0o644);
    let tries = [
        edit("out/planted", None, Some(&new), Some(b"new")),
        edit("out/secret", Some(&secret), Some(&new), Some(b"new")),
        edit("d/loop/planted", None, Some(&new), Some(b"new")),
        edit(".towline/replica", None, Some(&new), Some(b"new")),
        edit(".towline/trash/log", Some(&secret), None, None),
        edit("x/.towline-tmp-1", None, Some(&new), Some(b"new")),
        edit("", None, Some(&new), Some(b"new")),
        edit("up", None, Some(&Entry::Symlink { target: b"../../etc".to_vec() }), None),
        edit("abs", None, Some(&Entry::Symlink { target: b"/etc/passwd".to_vec() }), None),
    ];
    for edit in tries {
        let what = format!("{:?}", edit.op);
        let outcome = bench.apply_one(edit).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{what}: {outcome:?}");
    }
    // A deletion through a link finds nothing there.
    bench.apply_one(edit("out/secret", Some(&secret), None, None)).await;
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert!(!bench.at("d/planted").exists() && !bench.at("up").exists());
    let asked = vec![(path("out/secret"), secret.clone())];
    let fetched = bench.replica.fetch(asked, Priority::Edit).await.unwrap();
    assert!(matches!(fetched[0], Fetched::Changed), "{fetched:?}");
    let read = bench.replica.read_delta(path("out/secret"), secret, Vec::new()).await.unwrap();
    assert!(read.is_none());
}

#[tokio::test]
async fn deep_paths_work() {
    let mut bench = Bench::new(|_| {}).await;
    let deep = vec!["a-directory-with-a-name"; 60].join("/") + "/f";
    let new = file(b"deep", 0o644);
    applied(bench.apply_one(edit(&deep, None, Some(&new), Some(b"deep"))).await);
    bench.flush().await;
    assert!(bench.belief(&deep).unwrap().agrees(&new));
    let too_long = "x".repeat(300);
    failed(bench.apply_one(edit(&too_long, None, Some(&new), Some(b"deep"))).await);
}

#[tokio::test]
async fn a_root_that_cannot_be_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "x").unwrap();
    for name in ["file", "file/below"] {
        let (observations_tx, _observations_rx) = mpsc::channel(1);
        let config = config(&directory.path().join(name));
        let Err(ReplicaError::Refused(error)) = LocalReplica::open(config, observations_tx) else {
            panic!("{name} was opened");
        };
        assert!(error.message.contains(name), "{error}");
        assert!(error.message.contains("not a directory"), "{error}");
    }
    let fresh = directory.path().join("fresh/with/parents");
    let (observations_tx, _observations_rx) = mpsc::channel(1);
    LocalReplica::open(config(&fresh), observations_tx).unwrap();
    assert!(fresh.is_dir());
}

/// A small file system of its own; only where the system lets us mount.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "towline-test"])
            .arg(at)
            .status();
        status.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    fn unmount(&self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.unmount();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("small");
    let Some(_mounted) = Mounted::tmpfs(&root, "256k") else {
        eprintln!("not run: this user may not mount");
        return;
    };
    std::fs::write(root.join("f"), "base").unwrap();
    let mut bench = Bench::open(outer, config(&root)).await;
    let base = bench.seen[&path("f")].clone();
    let large = vec![7; 250 * 1024];
    let new = file(&large, 0o644);
    let first = edit("other", None, Some(&new), Some(&large));
    let second = edit("f", Some(&base), Some(&new), Some(&large));
    let error = failed(bench.apply(vec![first, second]).await.remove(1));
    assert_eq!(error.code, ErrorCode::NoSpace, "{error}");
    assert_eq!(std::fs::read(root.join("f")).unwrap(), b"base");
    let small = file(b"small", 0o644);
    std::fs::remove_file(root.join("other")).ok();
    applied(bench.apply_one(edit("f", Some(&base), Some(&small), Some(b"small"))).await);
    let names = std::fs::read_dir(root.join(".towline/trash")).unwrap().count();
    assert_eq!(names, 2, "the log and the displaced file");
}

#[tokio::test]
async fn an_unmounted_root_is_lost_not_empty() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("mounted");
    let Some(mounted) = Mounted::tmpfs(&root, "1m") else {
        eprintln!("not run: this user may not mount");
        return;
    };
    std::fs::write(root.join("f"), "kept").unwrap();
    let mut bench = Bench::open(outer, config(&root)).await;
    mounted.unmount();
    bench.replica.rescan().await.unwrap();
    while !matches!(bench.next().await, Observation::RootLost { .. }) {}
    assert!(bench.seen.contains_key(&path("f")));
}

#[tokio::test]
async fn a_mount_within_the_tree_and_a_store_elsewhere_work() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    let Some(_mounted) = Mounted::tmpfs(&root.join("inner"), "4m") else {
        eprintln!("not run: this user may not mount");
        return;
    };
    std::fs::write(root.join("inner/f"), "base").unwrap();
    let mut bench = Bench::open(outer, config(&root)).await;
    let base = bench.seen[&path("inner/f")].clone();
    let new = file(b"new", 0o644);
    applied(bench.apply_one(edit("inner/f", Some(&base), Some(&new), Some(b"new"))).await);
    applied(bench.apply_one(edit("inner/g", None, Some(&new), Some(b"new"))).await);
    applied(bench.apply_one(edit("inner/g", Some(&new), None, None)).await);
    bench.flush().await;
    assert_eq!(std::fs::read_dir(root.join("inner")).unwrap().count(), 1);
    let items = bench.replica.trash().await.unwrap();
    assert_eq!(items.len(), 2);
    applied(bench.replica.restore(items[1].id).await.unwrap());
    assert_eq!(std::fs::read(root.join("inner/f")).unwrap(), b"base");
}
