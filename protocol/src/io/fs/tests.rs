//! Real directories: what a replica reports of what programs do, and what is
//! left after edits that race with them.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::sync::entry::IGNORED;

mod apply;
mod deltas;
mod events;
mod hostile;

/// A tree, its replica, and what it reported so far.
struct Bench {
    directory: tempfile::TempDir,
    replica: LocalReplica,
    observations_rx: mpsc::Receiver<Observation>,
    /// What observations alone told.
    seen: BTreeMap<RelPath, Entry>,
    /// What a hub believes: by revision, whoever told it.
    beliefs: BTreeMap<RelPath, (u64, Option<Entry>)>,
    problems: BTreeMap<RelPath, String>,
    history: Vec<Observation>,
    scans: usize,
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn file(body: &[u8], mode: u16) -> Entry {
    let digest = *blake3::hash(body).as_bytes();
    Entry::File { digest, size: body.len() as u64, mode, mtime_ns: 1_700_000_000_123_456_789 }
}

fn op(at: &str, base: Option<&Entry>, new: Option<&Entry>) -> Op {
    Op { path: path(at), base: base.cloned(), new: new.cloned() }
}

fn edit(at: &str, base: Option<&Entry>, new: Option<&Entry>, body: Option<&[u8]>) -> Edit {
    Edit { op: op(at, base, new), body: body.map(<[u8]>::to_vec) }
}

fn config(root: &Path) -> LocalConfig {
    LocalConfig {
        root: root.to_owned(),
        store: StorePlace::InTree,
        ignore: Vec::new(),
        include: Vec::new(),
        evaluate_ignores: true,
    }
}

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), work).await {
        Ok(done) => done,
        Err(_) => panic!("waited too long for {what}"),
    }
}

impl Bench {
    async fn new(make: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let config = config(directory.path());
        Self::open(directory, config).await
    }

    async fn open(directory: tempfile::TempDir, config: LocalConfig) -> Self {
        let (observations_tx, observations_rx) = mpsc::channel(64);
        let replica = LocalReplica::open(config, observations_tx).unwrap();
        let mut bench = Self {
            directory,
            replica,
            observations_rx,
            seen: BTreeMap::new(),
            beliefs: BTreeMap::new(),
            problems: BTreeMap::new(),
            history: Vec::new(),
            scans: 0,
        };
        bench.scanned(1).await;
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn believe(&mut self, path: RelPath, rev: u64, state: Option<Entry>) {
        let belief = self.beliefs.entry(path).or_default();
        if rev > belief.0 {
            *belief = (rev, state);
        }
    }

    fn believed(&self) -> impl Iterator<Item = (&RelPath, &Entry)> {
        self.beliefs.iter().filter_map(|(path, (_, state))| Some((path, state.as_ref()?)))
    }

    fn belief(&self, at: &str) -> Option<&Entry> {
        self.beliefs.get(&path(at))?.1.as_ref()
    }

    fn take(&mut self, observation: Observation) {
        if let Observation::Seen { rev, path, state, .. } = &observation {
            self.believe(path.clone(), *rev, state.clone());
        }
        match observation.clone() {
            Observation::ScanStarted { .. } => {}
            Observation::Seen { path, state: Some(state), .. } => {
                if let Some(parent) = path.parent().filter(|parent| !parent.is_root()) {
                    assert!(
                        matches!(self.seen.get(&parent), Some(Entry::Directory { .. })),
                        "{path} came before its directory"
                    );
                }
                self.seen.insert(path, state);
            }
            Observation::Seen { path, state: None, .. } => {
                self.seen.remove(&path);
            }
            Observation::ScanDone { .. } => self.scans += 1,
            Observation::Problem { path, problem: Some(problem) } => {
                self.problems.insert(path, problem);
            }
            Observation::Problem { path, problem: None } => {
                self.problems.remove(&path);
            }
            Observation::RootLost { .. } | Observation::Degraded { .. } => {}
        }
        self.history.push(observation);
    }

    async fn next(&mut self) -> Observation {
        let observation = soon("an observation", self.observations_rx.recv()).await.unwrap();
        self.take(observation.clone());
        observation
    }

    async fn scanned(&mut self, scans: usize) {
        while self.scans < scans {
            self.next().await;
        }
    }

    /// Everything that happened until now.
    async fn flush(&mut self) {
        let replica = self.replica.clone();
        let flushed = replica.flush();
        tokio::pin!(flushed);
        soon("the flush", async {
            loop {
                tokio::select! {
                    biased;
                    observation = self.observations_rx.recv() => self.take(observation.unwrap()),
                    _ = &mut flushed => break,
                }
            }
        })
        .await;
        while let Ok(observation) = self.observations_rx.try_recv() {
            self.take(observation);
        }
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        soon(what, async {
            while !done(self) {
                let observation = self.observations_rx.recv().await.unwrap();
                self.take(observation);
            }
        })
        .await;
    }

    async fn apply(&mut self, edits: Vec<Edit>) -> Vec<Outcome> {
        let paths: Vec<_> = edits.iter().map(|edit| edit.op.path.clone()).collect();
        let outcomes = soon("an apply", self.replica.apply(edits, Priority::Edit)).await.unwrap();
        for (path, outcome) in paths.into_iter().zip(&outcomes) {
            if let Outcome::Applied { rev, state } | Outcome::Stale { rev, state } = outcome {
                self.believe(path, *rev, state.clone());
            }
        }
        outcomes
    }

    async fn apply_one(&mut self, edit: Edit) -> Outcome {
        self.apply(vec![edit]).await.remove(0)
    }

    fn body(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).unwrap()
    }

    fn trash_bodies(&self) -> Vec<Vec<u8>> {
        let trash = self.at(".towline/trash");
        std::fs::read_dir(trash)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with("log"))
            .map(|entry| match entry.file_type().unwrap().is_file() {
                true => std::fs::read(entry.path()).unwrap(),
                false => b"not a file".to_vec(),
            })
            .collect()
    }
}

#[track_caller]
fn applied(outcome: Outcome) -> Option<Entry> {
    match outcome {
        Outcome::Applied { state, .. } => state,
        other => panic!("not applied: {other:?}"),
    }
}

#[track_caller]
fn failed(outcome: Outcome) -> WireError {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("not refused: {other:?}"),
    }
}
