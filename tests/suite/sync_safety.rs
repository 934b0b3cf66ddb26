//! Suite: what the disk and the wire of a sync promise. An agent's replica,
//! served over an in-memory connection, as the hub sees it.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use agent::context::Context;
use agent::router::Router;
use lsp::sync::remote::RemoteReplica;
use protocol::error::ErrorCode;
use protocol::io::connection::Connection;
use protocol::io::replica::{Edit, Fetched, Replica, ReplicaError};
use protocol::path::RelPath;
use protocol::sync::entry::{Entry, Observation, Op, Outcome};
use protocol::wire::stream::Priority;
use protocol::wire::sync::OpenReplica;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

struct Seen {
    observations_rx: mpsc::Receiver<Observation>,
    entries: BTreeMap<RelPath, Entry>,
    replica: [u8; 16],
}

impl Seen {
    fn take(&mut self, observation: Observation) {
        match observation {
            Observation::ScanStarted { replica } => self.replica = replica,
            Observation::Seen { path, state: Some(state), .. } => {
                self.entries.insert(path, state);
            }
            Observation::Seen { path, state: None, .. } => {
                self.entries.remove(&path);
            }
            _ => {}
        }
    }

    async fn scanned(&mut self) {
        loop {
            let observation = soon(self.observations_rx.recv()).await.unwrap();
            let done = matches!(observation, Observation::ScanDone { .. });
            self.take(observation);
            if done {
                return;
            }
        }
    }

    fn drain(&mut self) {
        while let Ok(observation) = self.observations_rx.try_recv() {
            self.take(observation);
        }
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("waited too long")
}

fn router(root: &Path) -> Router {
    Router::new(Context {
        root: root.to_owned(),
        state_dir: root.join("agent-state"),
        shutdown: CancellationToken::new(),
        marker: "sync-safety".to_owned(),
    })
}

fn connect(router: &Router) -> Connection {
    let (hub, agent) = Connection::memory_pair();
    let router = router.clone();
    tokio::spawn(async move { router.serve(agent).await });
    hub
}

fn open(sync: u32, root: &str) -> OpenReplica {
    OpenReplica {
        sync,
        root: root.to_owned(),
        ignore: Vec::new(),
        include: Vec::new(),
        evaluate_ignores: true,
    }
}

async fn replica(
    connection: Connection,
    sync: u32,
    root: &str,
) -> Result<(RemoteReplica, Seen), ReplicaError> {
    let (observations_tx, observations_rx) = mpsc::channel(100_000);
    let opened = RemoteReplica::open(connection, open(sync, root), observations_tx);
    let replica = soon(opened).await?;
    let mut seen = Seen { observations_rx, entries: BTreeMap::new(), replica: [0; 16] };
    seen.scanned().await;
    Ok((replica, seen))
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn file(body: &[u8]) -> Entry {
    let digest = *blake3::hash(body).as_bytes();
    Entry::File {
        digest,
        size: body.len() as u64,
        mode: 0o644,
        mtime_ns: 1_600_000_000_000_000_000,
    }
}

fn edit(at: &str, base: Option<&Entry>, new: Option<&Entry>, body: Option<&[u8]>) -> Edit {
    let op = Op { path: path(at), base: base.cloned(), new: new.cloned() };
    Edit { op, body: body.map(<[u8]>::to_vec) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_replica_works_over_streams() {
    let target = tempfile::tempdir().unwrap();
    let root = target.path().join("app");
    std::fs::create_dir(&root).unwrap();
    for number in 0..1000 {
        std::fs::write(root.join(format!("{number}")), format!("body {number}")).unwrap();
    }
    let router = router(target.path());
    let (replica, mut seen) = replica(connect(&router), 1, "/app").await.unwrap();
    assert_eq!(seen.entries.len(), 1000);

    let wanted: Vec<_> =
        seen.entries.iter().map(|(path, entry)| (path.clone(), entry.clone())).collect();
    let fetched = soon(replica.fetch(wanted, Priority::Bulk)).await.unwrap();
    assert_eq!(fetched.len(), 1000);
    assert!(fetched.iter().all(|fetched| matches!(fetched, Fetched::Body(_))));

    let body = vec![5; 100_000];
    let new = file(&body);
    let edits = (0..50).map(|at| edit(&format!("new/{at}"), None, Some(&new), Some(&body)));
    let outcomes = soon(replica.apply(edits.collect(), Priority::Edit)).await.unwrap();
    assert_eq!(outcomes.len(), 50);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied { .. })));

    // A flush tells of everything, though it is answered on another stream.
    for number in 0..200 {
        std::fs::write(root.join(format!("{number}")), "edited").unwrap();
    }
    soon(replica.flush()).await.unwrap();
    seen.drain();
    let edited = file(b"edited");
    let Entry::File { digest: wanted, .. } = edited else { unreachable!() };
    for number in 0..200 {
        let entry = &seen.entries[&path(&number.to_string())];
        assert!(matches!(entry, Entry::File { digest, .. } if *digest == wanted), "{number}");
    }

    let base = seen.entries[&path("7")].clone();
    let removed = soon(replica.apply(vec![edit("7", Some(&base), None, None)], Priority::Edit));
    assert!(matches!(removed.await.unwrap()[0], Outcome::Applied { state: None, .. }));
    let trash = soon(replica.trash()).await.unwrap();
    assert_eq!(trash.len(), 1);
    let restored = soon(replica.restore(trash[0].id)).await.unwrap();
    assert!(matches!(restored, Outcome::Applied { .. }));
    assert_eq!(std::fs::read(root.join("7")).unwrap(), b"edited");
    soon(replica.rescan()).await.unwrap();
    seen.scanned().await;
    soon(replica.remove_traces()).await.unwrap();
    assert!(!root.join(".towline").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_travel_both_ways_as_deltas() {
    let target = tempfile::tempdir().unwrap();
    let mut body = Vec::new();
    for number in 0..2_000_000u32 {
        body.extend_from_slice(&number.wrapping_mul(2_654_435_761).to_le_bytes());
    }
    std::fs::write(target.path().join("f"), &body).unwrap();
    let router = router(target.path());
    let (replica, seen) = replica(connect(&router), 1, "/").await.unwrap();
    let base = seen.entries[&path("f")].clone();
    let signature = soon(replica.signature(path("f"), base.clone())).await.unwrap().unwrap();
    body[4_000_000..4_000_004].copy_from_slice(b"edit");
    let mut encoder = protocol::sync::delta::Encoder::new(&signature).unwrap();
    let mut delta = Vec::new();
    encoder.push(&body, &mut delta);
    encoder.finish(&mut delta);
    assert!(delta.len() < 200_000, "the delta has {} bytes", delta.len());
    let new = file(&body);
    let op = Op { path: path("f"), base: Some(base.clone()), new: Some(new.clone()) };
    let reader = Box::new(std::io::Cursor::new(delta.clone()));
    let outcome = soon(replica.write_delta(op.clone(), reader)).await.unwrap();
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    assert!(std::fs::read(target.path().join("f")).unwrap() == body);
    // Said to be stale before the delta is read to its end.
    let other = Op { new: Some(file(b"other")), ..op };
    let plain = Box::new(std::io::Cursor::new(body.clone()));
    let outcome = soon(replica.write_delta(other, plain)).await.unwrap();
    assert!(matches!(outcome, Outcome::Stale { .. }), "{outcome:?}");
    let mut read = soon(replica.read_delta(path("f"), new, Vec::new())).await.unwrap().unwrap();
    let mut bytes = Vec::new();
    soon(tokio::io::AsyncReadExt::read_to_end(&mut read, &mut bytes)).await.unwrap();
    assert!(bytes.len() >= body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_lives_on_while_connections_are_replaced() {
    let target = tempfile::tempdir().unwrap();
    std::fs::write(target.path().join("f"), "one").unwrap();
    let router = router(target.path());
    let connection = connect(&router);
    let (first, seen) = replica(connection.clone(), 1, "/").await.unwrap();
    let id = seen.replica;
    connection.close("gone");
    let gone = soon(first.trash()).await;
    assert!(matches!(gone, Err(ReplicaError::Unreachable)), "{gone:?}");
    std::fs::write(target.path().join("f"), "two").unwrap();
    // Under another number: the hub started over.
    let (second, seen) = replica(connect(&router), 9, "/").await.unwrap();
    assert_eq!(seen.replica, id);
    let base = seen.entries[&path("f")].clone();
    let new = file(b"three");
    let edit = edit("f", Some(&base), Some(&new), Some(b"three"));
    let outcome = soon(second.apply(vec![edit], Priority::Edit)).await.unwrap().remove(0);
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    // A tree that is made anew is another one.
    std::fs::remove_dir_all(target.path().join(".towline")).unwrap();
    router.replicas.remove_traces().await;
    let (_third, seen) = replica(connect(&router), 1, "/").await.unwrap();
    assert_ne!(seen.replica, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_cannot_be_are_refused_in_words() {
    let target = tempfile::tempdir().unwrap();
    std::fs::write(target.path().join("file"), "x").unwrap();
    let router = router(target.path());
    let refused = replica(connect(&router), 1, "/file").await.err();
    let Some(ReplicaError::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.code, ErrorCode::BadRequest);
    assert!(error.message.contains("file: not a directory"), "{error}");
    let refused = replica(connect(&router), 1, "/dev/null/below").await.err();
    assert!(refused.is_none(), "below a target's own root every name is free: {refused:?}");
    replica(connect(&router), 2, "/../../fresh/app").await.unwrap();
    assert!(target.path().join("fresh/app").is_dir());
    let hub = connect(&router);
    let (replica, _seen) = replica(hub.clone(), 3, "/fresh/app").await.unwrap();
    soon(replica.remove_traces()).await.unwrap();
    let error = soon(replica.trash()).await;
    assert!(matches!(error, Err(ReplicaError::Refused(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbled_edits_end_the_stream_and_nothing_else() {
    use protocol::wire::stream::Open;
    use protocol::wire::sync::OpenApply;
    let target = tempfile::tempdir().unwrap();
    let outside = target.path().join("outside");
    std::fs::create_dir(target.path().join("app")).unwrap();
    let router = router(target.path());
    let hub = connect(&router);
    let (replica, _seen) = replica(hub.clone(), 1, "/app").await.unwrap();
    // An edit of `../outside`, which no client of ours can even say.
    let mut frame = vec![0x81, 0x81, 0x84, 0x4a];
    frame.extend_from_slice(b"../outside");
    frame.extend_from_slice(&[0xf6, 0x82, 0x00, 0x81, 0x19, 0x01, 0xed, 0xf6]);
    let frames: [&[u8]; 4] = [&frame, b"", b"\xff\xff\xff", &[0x9f; 4096]];
    for frame in frames {
        let open = Open::SyncApply(OpenApply { sync: 1 });
        let mut channel = soon(hub.open(&open, Priority::Edit)).await.unwrap();
        let len = u32::try_from(frame.len()).unwrap().to_be_bytes();
        channel.tx.write_all(&len).await.unwrap();
        channel.tx.write_all(frame).await.unwrap();
        channel.tx.shutdown().await.unwrap();
        let mut rest = Vec::new();
        soon(tokio::io::AsyncReadExt::read_to_end(&mut channel.rx, &mut rest)).await.ok();
        assert!(rest.is_empty(), "{rest:?}");
    }
    assert!(!outside.exists());
    soon(replica.flush()).await.unwrap();
}
