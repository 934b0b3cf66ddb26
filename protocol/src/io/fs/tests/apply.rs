//! Edits, alone and in races.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

#[tokio::test]
async fn every_kind_of_edit_is_applied_and_does_not_echo() {
    let mut bench = Bench::new(|_| {}).await;
    let from = bench.history.len();
    let one = file(b"one", 0o640);
    let two = file(b"two", 0o755);
    let directory = Entry::Directory { mode: 0o750 };
    let link = Entry::Symlink { target: b"f".to_vec() };
    type Row<'a> = (&'a str, Option<&'a Entry>, Option<&'a Entry>, Option<&'a [u8]>);
    let steps: [Row<'_>; 9] = [
        ("d", None, Some(&directory), None),
        ("d/f", None, Some(&one), Some(b"one")),
        ("d/f", Some(&one), Some(&two), Some(b"two")),
        ("d/l", None, Some(&link), None),
        ("d/l", Some(&link), Some(&one), Some(b"one")),
        ("d/l", Some(&one), None, None),
        ("d/f", Some(&two), None, None),
        ("d", Some(&directory), Some(&one), Some(b"one")),
        ("d", Some(&one), Some(&directory), None),
    ];
    for (at, base, new, body) in steps {
        let state = applied(bench.apply_one(edit(at, base, new, body)).await);
        assert_eq!(state.as_ref(), new, "{at}");
    }
    bench.flush().await;
    let echoes: Vec<_> = bench.history[from..].iter().collect();
    assert!(echoes.is_empty(), "{echoes:?}");
    assert_eq!(bench.trash_bodies().len(), 5);
}

#[tokio::test]
async fn time_and_mode_are_carried() {
    use std::os::unix::fs::MetadataExt;
    let mut bench = Bench::new(|_| {}).await;
    let entry = file(b"x", 0o604);
    applied(bench.apply_one(edit("sub/f", None, Some(&entry), Some(b"x"))).await);
    let metadata = std::fs::metadata(bench.at("sub/f")).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o604);
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_700_000_000, 123_456_789));
    let chmod = file(b"x", 0o755);
    applied(bench.apply_one(edit("sub/f", Some(&entry), Some(&chmod), None)).await);
    assert_eq!(std::fs::metadata(bench.at("sub/f")).unwrap().mode() & 0o777, 0o755);
}

#[tokio::test]
async fn what_is_not_the_base_stays() {
    let mut bench = Bench::new(|root| std::fs::write(root.join("f"), "theirs").unwrap()).await;
    let (base, new) = (file(b"base", 0o644), file(b"new", 0o644));
    let tries = [
        edit("f", Some(&base), Some(&new), Some(b"new")),
        edit("f", None, Some(&new), Some(b"new")),
        edit("f", Some(&base), None, None),
        edit("f", Some(&base), Some(&Entry::Directory { mode: 0o755 }), None),
    ];
    for edit in tries {
        let Outcome::Stale { state, .. } = bench.apply_one(edit).await else { panic!("not stale") };
        assert!(state.unwrap().agrees(&file(b"theirs", 0o644)));
    }
    assert_eq!(bench.body("f"), b"theirs");
    assert!(bench.trash_bodies().is_empty());
    // As wanted already: nothing to do, however it came about.
    let there = file(b"theirs", 0o644);
    applied(bench.apply_one(edit("f", Some(&base), Some(&there), None)).await);
    applied(bench.apply_one(edit("gone/too", Some(&base), None, None)).await);
}

#[tokio::test]
async fn wrong_bodies_are_refused_and_leave_nothing() {
    let mut bench = Bench::new(|_| {}).await;
    let new = file(b"new", 0o644);
    failed(bench.apply_one(edit("f", None, Some(&new), Some(b"other"))).await);
    failed(bench.apply_one(edit("f", None, Some(&new), None)).await);
    assert!(!bench.at("f").exists());
    assert!(bench.trash_bodies().is_empty());
}

#[tokio::test]
async fn a_directory_with_ignored_content_stays_and_is_said() {
    let mut bench = Bench::new(|root| {
        std::fs::write(root.join(".gitignore"), "*.o\n").unwrap();
        std::fs::create_dir(root.join("d")).unwrap();
        std::fs::write(root.join("d/keep.o"), "object").unwrap();
    })
    .await;
    let base = bench.seen[&path("d")].clone();
    let error = failed(bench.apply_one(edit("d", Some(&base), None, None)).await);
    assert!(error.message.contains("keep.o"), "{error}");
    let new = file(b"f", 0o644);
    let error = failed(bench.apply_one(edit("d", Some(&base), Some(&new), Some(b"f"))).await);
    assert!(error.message.contains("keep.o"), "{error}");
    assert_eq!(bench.body("d/keep.o"), b"object");
}

#[tokio::test]
async fn batches_go_in_an_order_that_works() {
    let mut bench = Bench::new(|root| {
        std::fs::create_dir_all(root.join("old/sub")).unwrap();
        std::fs::write(root.join("old/sub/f"), "f").unwrap();
    })
    .await;
    let seen = |at: &str| bench.seen[&path(at)].clone();
    let new = file(b"new", 0o644);
    let directory = Entry::Directory { mode: 0o755 };
    let mut edits = vec![
        edit("old", Some(&seen("old")), Some(&new), Some(b"new")),
        edit("old/sub", Some(&seen("old/sub")), None, None),
        edit("old/sub/f", Some(&seen("old/sub/f")), None, None),
        edit("x/y", None, Some(&directory), None),
        edit("x", None, Some(&directory), None),
    ];
    for number in 0..100 {
        edits.push(edit(&format!("x/y/{number}"), None, Some(&new), Some(b"new")));
    }
    for outcome in bench.apply(edits).await {
        applied(outcome);
    }
    assert_eq!(bench.body("old"), b"new");
    assert_eq!(bench.body("x/y/99"), b"new");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader_ever_sees_a_torn_or_missing_file() {
    let mut bench = Bench::new(|_| {}).await;
    let bodies: Vec<_> = (0..8u8).map(|number| vec![number; 40_000]).collect();
    let entries: Vec<_> = bodies.iter().map(|body| file(body, 0o644)).collect();
    applied(bench.apply_one(edit("f", None, Some(&entries[0]), Some(&bodies[0]))).await);
    let stop = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU64::new(0));
    let reader = {
        let (stop, reads, at) = (stop.clone(), reads.clone(), bench.at("f"));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let body = std::fs::read(&at).expect("missing");
                assert_eq!(body.len(), 40_000, "torn");
                assert!(body.iter().all(|byte| *byte == body[0]), "mixed");
                reads.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    for round in 1..400 {
        let (base, new) = (&entries[(round - 1) % 8], &entries[round % 8]);
        applied(bench.apply_one(edit("f", Some(base), Some(new), Some(&bodies[round % 8]))).await);
        while bench.observations_rx.try_recv().is_ok() {}
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert!(reads.load(Ordering::Relaxed) > 0);
    bench.flush().await;
}

/// A writer and edits race for one file, round after round. Whatever the writer
/// wrote is in the tree or in the trash at the end.
async fn race(write: fn(&Path, &[u8]), rounds: usize) {
    let mut bench = Bench::new(|root| std::fs::write(root.join("f"), "start").unwrap()).await;
    for round in 0..rounds {
        let base = bench.belief("f").cloned();
        let ours = format!("ours {round}").into_bytes();
        let theirs = format!("theirs {round}").into_bytes();
        let new = file(&ours, 0o644);
        let at = bench.at("f");
        let written = theirs.clone();
        let writer = tokio::task::spawn_blocking(move || write(&at, &written));
        let outcome = bench.apply_one(edit("f", base.as_ref(), Some(&new), Some(&ours))).await;
        writer.await.unwrap();
        bench.flush().await;
        let (now, trash) = (bench.body("f"), bench.trash_bodies());
        assert!(
            now == theirs || trash.contains(&theirs),
            "round {round}: theirs is lost; tree {:?}, {outcome:?}",
            String::from_utf8_lossy(&now)
        );
        match outcome {
            Outcome::Applied { .. } => assert!(now == ours || now == theirs, "round {round}"),
            Outcome::Stale { .. } => assert_eq!(now, theirs, "round {round}"),
            Outcome::Failed(error) => panic!("round {round}: {error}"),
        }
        assert!(bench.belief("f").unwrap().agrees(&file(&now, 0o644)), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_races_with_writes_in_place_lose_nothing() {
    race(|at, body| std::fs::write(at, body).unwrap(), 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_races_with_renames_lose_nothing() {
    race(
        |at, body| {
            let temp = at.with_extension("tmp");
            std::fs::write(&temp, body).unwrap();
            std::fs::rename(temp, at).unwrap();
        },
        1000,
    )
    .await;
}

#[tokio::test]
async fn a_late_writer_is_brought_back() {
    use std::io::Write;
    let mut bench = Bench::new(|root| std::fs::write(root.join("f"), "base").unwrap()).await;
    let base = bench.seen[&path("f")].clone();
    let mut open = std::fs::OpenOptions::new().write(true).open(bench.at("f")).unwrap();
    let new = file(b"new", 0o644);
    applied(bench.apply_one(edit("f", Some(&base), Some(&new), Some(b"new"))).await);
    open.write_all(b"late content").unwrap();
    drop(open);
    bench.flush().await;
    assert_eq!(bench.body("f"), b"late content");
    assert!(bench.seen[&path("f")].agrees(&file(b"late content", 0o644)));
    assert_eq!(bench.trash_bodies(), [b"new".to_vec()]);
}

#[tokio::test]
async fn the_trash_brings_back_and_survives_a_restart() {
    let mut bench = Bench::new(|root| std::fs::write(root.join("f"), "base").unwrap()).await;
    let base = bench.seen[&path("f")].clone();
    let new = file(b"new", 0o644);
    applied(bench.apply_one(edit("f", Some(&base), Some(&new), Some(b"new"))).await);
    applied(bench.apply_one(edit("f", Some(&new), None, None)).await);
    let Bench { directory, replica, .. } = bench;
    drop(replica);
    let config = config(directory.path());
    bench = Bench::open(directory, config).await;
    let items = bench.replica.trash().await.unwrap();
    assert_eq!(items.len(), 2);
    assert!(items[0].entry.agrees(&new) && items[1].entry.agrees(&base));
    assert!(items[0].id > items[1].id);
    applied(bench.replica.restore(items[1].id).await.unwrap());
    bench.flush().await;
    assert_eq!(bench.body("f"), b"base");
    assert!(bench.seen[&path("f")].agrees(&base));
    // What stands there goes to the trash in turn.
    applied(bench.replica.restore(items[0].id).await.unwrap());
    assert_eq!(bench.body("f"), b"new");
    let items = bench.replica.trash().await.unwrap();
    assert_eq!(items.len(), 1);
    assert!(items[0].entry.agrees(&base));
    bench.replica.remove_traces().await.unwrap();
    assert!(!bench.at(".towline").exists());
    assert_eq!(bench.body("f"), b"new");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_there_though_a_directory_goes_as_soon_as_it_came() {
    let mut bench = Bench::new(|_| {}).await;
    let (body, link) = (file(b"x", 0o644), Entry::Symlink { target: b"f".to_vec() });
    let directory = Entry::Directory { mode: 0o700 };
    let mut there = Vec::new();
    for round in 0..300 {
        let name = |below: &str| format!("d{round}{below}");
        let rows = [
            // The files come first: another batch has the directory.
            (name("/sub/f"), &body, Some(b"x".as_slice())),
            (name("/l"), &link, None),
            (name(""), &directory, None),
        ];
        for (at, new, content) in &rows {
            let outcome = bench.apply_one(edit(at, None, Some(new), *content)).await;
            assert!(!matches!(outcome, Outcome::Failed(_)), "{at}: {outcome:?}");
        }
        match round % 3 {
            0 => std::fs::remove_dir_all(bench.at(&name(""))).unwrap(),
            1 => {
                std::fs::remove_dir_all(bench.at(&name(""))).unwrap();
                std::fs::write(bench.at(&name("")), "a file now").unwrap();
                there.push(name(""));
            }
            _ => {
                std::fs::remove_dir_all(bench.at(&name("/sub"))).unwrap();
                there.extend([name(""), name("/l")]);
            }
        }
    }
    bench.flush().await;
    there.sort();
    let believed: Vec<_> = bench.believed().map(|(path, _)| path.to_string()).collect();
    assert_eq!(believed, there);
}
