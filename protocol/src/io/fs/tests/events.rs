//! What programs do to a tree, and what is reported of it.

use super::*;

fn digest_of(bench: &Bench, at: &str) -> Option<[u8; 32]> {
    match bench.seen.get(&path(at)) {
        Some(Entry::File { digest, .. }) => Some(*digest),
        _ => None,
    }
}

fn shows(bench: &Bench, at: &str, body: &[u8]) -> bool {
    digest_of(bench, at) == Some(*blake3::hash(body).as_bytes())
}

#[tokio::test]
async fn a_scan_reports_everything_in_order() {
    let bench = Bench::new(|root| {
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::write(root.join("a/b/c/deep"), "deep").unwrap();
        for number in 0..100 {
            std::fs::write(root.join(format!("a/{number:03}")), format!("{number}")).unwrap();
        }
        symlink("b/c", root.join("a/link")).unwrap();
    })
    .await;
    assert_eq!(bench.seen.len(), 3 + 1 + 100 + 1);
    assert!(shows(&bench, "a/b/c/deep", b"deep"));
    assert!(shows(&bench, "a/042", b"42"));
    let link = Entry::Symlink { target: b"b/c".to_vec() };
    assert_eq!(bench.seen.get(&path("a/link")), Some(&link));
    assert!(bench.problems.is_empty());
}

/// Saves `f`, which holds `old`, so that it holds `new`; `f` must never be
/// reported as gone.
#[expect(clippy::type_complexity, reason = "a table of functions")]
const EDITORS: [(&str, fn(&Path)); 5] = [
    ("in place", |f| std::fs::write(f, "new").unwrap()),
    ("rename over", |f| {
        let temp = f.with_extension("tmp");
        std::fs::write(&temp, "new").unwrap();
        std::fs::rename(temp, f).unwrap();
    }),
    ("backup and write", |f| {
        std::fs::rename(f, f.with_extension("bak")).unwrap();
        std::fs::write(f, "new").unwrap();
        std::fs::remove_file(f.with_extension("bak")).unwrap();
    }),
    ("vim with swap file", |f| {
        std::fs::write(f.with_file_name(".f.swp"), "swap").unwrap();
        std::fs::write(f.with_file_name("4913"), "").unwrap();
        std::fs::remove_file(f.with_file_name("4913")).unwrap();
        std::fs::rename(f, f.with_file_name("f~")).unwrap();
        std::fs::write(f, "new").unwrap();
        std::fs::remove_file(f.with_file_name("f~")).unwrap();
        std::fs::remove_file(f.with_file_name(".f.swp")).unwrap();
    }),
    ("jetbrains", |f| {
        std::fs::write(f.with_file_name("f___jb_tmp___"), "new").unwrap();
        std::fs::rename(f, f.with_file_name("f___jb_old___")).unwrap();
        std::fs::rename(f.with_file_name("f___jb_tmp___"), f).unwrap();
        std::fs::remove_file(f.with_file_name("f___jb_old___")).unwrap();
    }),
];

#[tokio::test]
async fn editors_save_as_they_do() {
    for (how, save) in EDITORS {
        let mut bench = Bench::new(|root| std::fs::write(root.join("f"), "old").unwrap()).await;
        let from = bench.history.len();
        save(&bench.at("f"));
        bench.until(how, |bench| shows(bench, "f", b"new")).await;
        bench.flush().await;
        assert_eq!(bench.seen.len(), 1, "{how}: {:?}", bench.seen);
        for observation in &bench.history[from..] {
            if let Observation::Seen { path, state, body, .. } = observation
                && path.as_bytes() == b"f"
            {
                assert!(state.is_some(), "{how}: reported as gone");
                assert!(body.is_some(), "{how}: the body has to come along");
            }
        }
    }
}

#[tokio::test]
async fn moved_swapped_and_removed_directories_are_followed() {
    let mut bench = Bench::new(|root| {
        std::fs::create_dir_all(root.join("a/x")).unwrap();
        std::fs::write(root.join("a/x/f"), "one").unwrap();
    })
    .await;
    std::fs::rename(bench.at("a"), bench.at("b")).unwrap();
    std::fs::write(bench.at("b/x/g"), "two").unwrap();
    bench.flush().await;
    let names: Vec<_> = bench.seen.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["b", "b/x", "b/x/f", "b/x/g"]);
    // The watches moved along.
    std::fs::write(bench.at("b/x/f"), "three").unwrap();
    bench.flush().await;
    assert!(shows(&bench, "b/x/f", b"three"));
    // A directory becomes a file, then a link, then a directory again.
    std::fs::remove_dir_all(bench.at("b")).unwrap();
    std::fs::write(bench.at("b"), "file").unwrap();
    bench.flush().await;
    assert!(shows(&bench, "b", b"file"));
    assert_eq!(bench.seen.len(), 1);
    std::fs::remove_file(bench.at("b")).unwrap();
    symlink("nowhere", bench.at("b")).unwrap();
    bench.flush().await;
    assert!(matches!(bench.seen.get(&path("b")), Some(Entry::Symlink { .. })));
    std::fs::remove_file(bench.at("b")).unwrap();
    std::fs::create_dir(bench.at("b")).unwrap();
    std::fs::write(bench.at("b/f"), "in").unwrap();
    bench.flush().await;
    assert!(shows(&bench, "b/f", b"in"));
}

#[tokio::test]
async fn what_cannot_be_synced_is_a_problem_and_the_rest_goes_on() {
    let mut bench = Bench::new(|root| {
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
        std::fs::write(root.join(name), "latin").unwrap();
        std::fs::write(root.join("fine"), "fine").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), 0o600.into()).unwrap();
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        symlink("/etc/passwd", root.join("absolute")).unwrap();
        symlink("../../outside", root.join("outside")).unwrap();
    })
    .await;
    let names: Vec<_> = bench.problems.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["absolute", "outside", "pipe", "socket"]);
    assert!(bench.seen.contains_key(&RelPath::parse(b"caf\xe9").unwrap()));
    assert!(shows(&bench, "fine", b"fine"));
    std::fs::remove_file(bench.at("pipe")).unwrap();
    std::fs::write(bench.at("pipe"), "a file now").unwrap();
    bench.flush().await;
    assert!(shows(&bench, "pipe", b"a file now"));
    assert_eq!(bench.problems.len(), 3);
}

#[tokio::test]
async fn a_newly_ignored_path_is_never_reported_as_gone() {
    let mut bench = Bench::new(|root| {
        std::fs::create_dir_all(root.join("build/deep")).unwrap();
        std::fs::write(root.join("build/deep/out.o"), "object").unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        std::fs::write(root.join(".git/HEAD"), "ref").unwrap();
    })
    .await;
    assert!(bench.seen.contains_key(&path("build/deep/out.o")));
    assert_eq!(bench.problems.get(&path(".git")).map(String::as_str), Some(IGNORED));
    std::fs::write(bench.at(".gitignore"), "build/\n").unwrap();
    bench.flush().await;
    assert_eq!(bench.problems.get(&path("build")).map(String::as_str), Some(IGNORED));
    assert!(bench.seen.contains_key(&path("build/deep/out.o")), "reported as gone");
    std::fs::write(bench.at("build/deep/more.o"), "unseen").unwrap();
    bench.flush().await;
    assert!(!bench.seen.contains_key(&path("build/deep/more.o")));
    // Seen again, with a scan that tells what went away meanwhile.
    std::fs::remove_file(bench.at("build/deep/out.o")).unwrap();
    std::fs::write(bench.at(".gitignore"), "").unwrap();
    bench.scanned(2).await;
    assert!(bench.seen.contains_key(&path("build/deep/more.o")));
    assert!(!bench.problems.contains_key(&path("build")));
}

#[tokio::test]
async fn a_storm_of_changes_ends_in_the_truth() {
    let mut bench = Bench::new(|_| {}).await;
    for round in 0..4 {
        for directory in 0..20 {
            let at = bench.at(&format!("d{directory}"));
            if round % 2 == 1 {
                std::fs::remove_dir_all(&at).unwrap();
            } else {
                std::fs::create_dir_all(at.join("sub")).unwrap();
                for number in 0..20 {
                    std::fs::write(at.join(format!("sub/{number}")), format!("{round}")).unwrap();
                }
            }
        }
    }
    for directory in 0..20 {
        std::fs::create_dir_all(bench.at(&format!("d{directory}/last"))).unwrap();
        std::fs::write(bench.at(&format!("d{directory}/last/f")), "end").unwrap();
    }
    bench.flush().await;
    assert_eq!(bench.seen.len(), 60);
    assert!(shows(&bench, "d7/last/f", b"end"));
}

#[tokio::test]
async fn a_lost_root_is_said_and_nothing_after_it() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    std::fs::create_dir_all(root.join("a")).unwrap();
    std::fs::write(root.join("a/f"), "kept").unwrap();
    let mut bench = Bench::open(outer, config(&root)).await;
    std::fs::rename(&root, root.with_file_name("elsewhere")).unwrap();
    std::fs::create_dir(&root).unwrap();
    loop {
        if let Observation::RootLost { reason } = bench.next().await {
            assert!(reason.contains("root"), "{reason}");
            break;
        }
    }
    assert!(bench.seen.contains_key(&path("a/f")), "the loss was reported as a deletion");
    let refused = bench.replica.apply(Vec::new(), Priority::Edit).await;
    assert!(matches!(refused, Err(ReplicaError::Refused(_))));
    bench.replica.flush().await;
    assert!(bench.observations_rx.try_recv().is_err());
}

#[tokio::test]
async fn a_new_reader_gets_everything_again() {
    let mut bench = Bench::new(|root| std::fs::write(root.join("f"), "body").unwrap()).await;
    let (observations_tx, observations_rx) = mpsc::channel(4);
    bench.observations_rx = observations_rx;
    bench.seen.clear();
    bench.replica.attach(observations_tx);
    bench.scanned(2).await;
    assert!(shows(&bench, "f", b"body"));
}

#[tokio::test]
async fn an_id_stays_with_its_tree() {
    let id = |bench: &Bench| match &bench.history[0] {
        Observation::ScanStarted { replica } => *replica,
        other => panic!("{other:?} came first"),
    };
    let bench = Bench::new(|_| {}).await;
    let first = id(&bench);
    let Bench { directory, replica, .. } = bench;
    drop(replica);
    let config = config(directory.path());
    let bench = Bench::open(directory, config).await;
    assert_eq!(id(&bench), first);
    let outside = tempfile::tempdir().unwrap();
    let place = StorePlace::Dir(outside.path().join("state"));
    let mut ids = Vec::new();
    for _ in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        let config = LocalConfig { store: place.clone(), ..super::config(directory.path()) };
        ids.push(id(&Bench::open(directory, config).await));
    }
    assert_ne!(ids[0], ids[1], "another root, the same id");
}

#[tokio::test]
async fn modes_are_seen() {
    let mut bench = Bench::new(|root| std::fs::write(root.join("f"), "x").unwrap()).await;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.at("f"), mode).unwrap();
    bench.flush().await;
    assert!(matches!(bench.seen.get(&path("f")), Some(Entry::File { mode: 0o755, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_events_are_made_up_for_by_a_scan() {
    let mut bench = Bench::new(|root| {
        std::fs::write(root.join("a"), "old").unwrap();
        std::fs::write(root.join("b"), "old").unwrap();
    })
    .await;
    // Nobody reads, so the worker waits and the kernel's queue overflows.
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    for number in 0..200 {
        std::fs::write(bench.at(&format!("filler{number}")), "x").unwrap();
    }
    for number in 0..limit {
        let name = if number % 2 == 0 { "a" } else { "b" };
        std::fs::write(bench.at(name), format!("{number}")).unwrap();
    }
    std::fs::create_dir_all(bench.at("unseen/deep")).unwrap();
    std::fs::write(bench.at("unseen/deep/f"), "found").unwrap();
    bench.until("a second scan", |bench| bench.scans >= 2).await;
    bench.flush().await;
    assert!(shows(&bench, "unseen/deep/f", b"found"));
    let last = format!("{}", limit - 1);
    let name = if (limit - 1).is_multiple_of(2) { "a" } else { "b" };
    assert!(shows(&bench, name, last.as_bytes()));
}
