//! A replica in memory that keeps the contract of
//! [`protocol::io::replica::Replica`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Connection;
use protocol::io::replica::{
    BoxFuture, DeltaReader, Edit, Fetched, Replica, ReplicaError, TrashItem,
};
use protocol::path::RelPath;
use protocol::sync::delta::{Decoder, DeltaOp, Encoder, SignatureBuilder};
use protocol::sync::entry::{Entry, Observation, Op, Outcome, agree};
use protocol::wire::stream::Priority;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::sync::replicas::{Opening, Replicas};

pub(super) struct Fakes {
    pub(super) alpha: Arc<FakeTree>,
    pub(super) beta: Arc<FakeTree>,
}

impl Replicas for Fakes {
    fn alpha(&self, observed_tx: mpsc::Sender<Observation>) -> Opening {
        open(&self.alpha, observed_tx)
    }

    fn beta(&self, _: Connection, observed_tx: mpsc::Sender<Observation>) -> Opening {
        open(&self.beta, observed_tx)
    }
}

fn open(tree: &Arc<FakeTree>, observed_tx: mpsc::Sender<Observation>) -> Opening {
    let tree = tree.clone();
    Box::pin(async move {
        let mut state = tree.state();
        if let Some(reason) = &state.lost {
            return Err(ReplicaError::Refused(WireError::new(ErrorCode::NotFound, reason.clone())));
        }
        state.observed_tx = Some(observed_tx);
        state.rev = 0;
        state.scan();
        drop(state);
        Ok(Arc::new(Handle(tree)) as Arc<dyn Replica>)
    })
}

/// The tree itself, which outlives every replica opened on it.
pub(super) struct FakeTree(Mutex<State>);

struct Handle(Arc<FakeTree>);

struct State {
    id: u8,
    tree: BTreeMap<RelPath, (Entry, Vec<u8>)>,
    trash: Vec<(TrashItem, Vec<u8>)>,
    observed_tx: Option<mpsc::Sender<Observation>>,
    rev: u64,
    full: bool,
    lost: Option<String>,
    fetches: usize,
    delta_bytes: usize,
}

fn path(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

fn file(content: &[u8]) -> Entry {
    let digest = *blake3::hash(content).as_bytes();
    Entry::File { digest, size: content.len() as u64, mode: 0o644, mtime_ns: 0 }
}

impl FakeTree {
    pub(super) fn new(id: u8, files: &[(&str, &str)]) -> Arc<Self> {
        let tree = Self(Mutex::new(State {
            id,
            tree: BTreeMap::new(),
            trash: Vec::new(),
            observed_tx: None,
            rev: 0,
            full: false,
            lost: None,
            fetches: 0,
            delta_bytes: 0,
        }));
        files.iter().for_each(|(path, content)| tree.write(path, content));
        Arc::new(tree)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn write(&self, at: &str, content: &str) {
        let mut state = self.state();
        let at = path(at);
        state.make_parents(&at);
        state.tree.insert(at.clone(), (file(content.as_bytes()), content.as_bytes().to_vec()));
        let body = (content.len() < 1000).then(|| content.as_bytes().to_vec());
        state.report(&at, body);
    }

    pub(super) fn remove(&self, at: &str) {
        let mut state = self.state();
        state.tree.remove(&path(at));
        state.report(&path(at), None);
    }

    pub(super) fn files(&self) -> Vec<(String, String)> {
        let state = self.state();
        let files = state.tree.iter().filter(|(_, (entry, _))| matches!(entry, Entry::File { .. }));
        files
            .map(|(path, (_, content))| {
                (path.to_string(), String::from_utf8_lossy(content).into_owned())
            })
            .collect()
    }

    pub(super) fn trash_contents(&self) -> Vec<String> {
        let state = self.state();
        state.trash.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect()
    }

    pub(super) fn fetches(&self) -> usize {
        self.state().fetches
    }

    pub(super) fn delta_bytes(&self) -> usize {
        self.state().delta_bytes
    }

    pub(super) fn disconnect(&self) {
        self.state().observed_tx = None;
    }

    pub(super) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    pub(super) fn lose(&self, reason: &str) {
        let mut state = self.state();
        state.lost = Some(reason.to_owned());
        state.send(Observation::RootLost { reason: reason.to_owned() });
        state.observed_tx = None;
    }

    pub(super) fn find(&self) {
        self.state().lost = None;
    }

    pub(super) fn become_another(&self, id: u8, files: &[(&str, &str)]) {
        let mut state = self.state();
        state.id = id;
        state.tree.clear();
        state.observed_tx = None;
        drop(state);
        files.iter().for_each(|(path, content)| self.write(path, content));
    }
}

impl State {
    fn send(&mut self, observation: Observation) {
        if let Some(observed_tx) = &self.observed_tx {
            observed_tx.try_send(observation).ok();
        }
    }

    fn report(&mut self, at: &RelPath, body: Option<Vec<u8>>) {
        self.rev += 1;
        let state = self.tree.get(at).map(|(entry, _)| entry.clone());
        self.send(Observation::Seen { rev: self.rev, path: at.clone(), state, body });
    }

    fn scan(&mut self) {
        self.send(Observation::ScanStarted { replica: [self.id; 16] });
        let paths: Vec<_> = self.tree.keys().cloned().collect();
        paths.iter().for_each(|path| self.report(path, None));
        self.rev += 1;
        self.send(Observation::ScanDone { rev: self.rev });
    }

    fn make_parents(&mut self, at: &RelPath) {
        if let Some(parent) = at.parent().filter(|parent| !parent.is_root())
            && !self.tree.contains_key(&parent)
        {
            self.make_parents(&parent);
            self.tree.insert(parent.clone(), (Entry::Directory { mode: 0o755 }, Vec::new()));
            self.report(&parent, None);
        }
    }

    fn apply(&mut self, op: &Op, body: Option<Vec<u8>>) -> Outcome {
        self.rev += 1;
        let rev = self.rev;
        let held = self.tree.get(&op.path).map(|(entry, _)| entry.clone());
        if agree(held.as_ref(), op.new.as_ref()) {
            return Outcome::Applied { rev, state: held };
        }
        if !agree(held.as_ref(), op.base.as_ref()) {
            return Outcome::Stale { rev, state: held };
        }
        if self.full && op.new.is_some() {
            return Outcome::Failed(WireError::new(ErrorCode::NoSpace, "no space left"));
        }
        let kept = self.tree.get(&op.path).map(|(_, body)| body.clone());
        if let Some((entry, old)) = self.tree.remove(&op.path)
            && matches!(entry, Entry::File { .. })
        {
            let id = self.trash.len() as u64;
            let item = TrashItem { id, path: op.path.clone(), entry, at_us: id };
            self.trash.push((item, old));
        }
        if let Some(new) = &op.new {
            self.make_parents(&op.path);
            let body = body.or(kept).unwrap_or_default();
            if let Entry::File { digest, .. } = new {
                assert_eq!(digest, blake3::hash(&body).as_bytes(), "{:?}", op.path);
            }
            self.tree.insert(op.path.clone(), (new.clone(), body));
        }
        self.rev += 1;
        Outcome::Applied { rev: self.rev, state: op.new.clone() }
    }

    fn holds(&self, path: &RelPath, entry: &Entry) -> Option<Vec<u8>> {
        self.tree.get(path).filter(|(held, _)| held.agrees(entry)).map(|(_, body)| body.clone())
    }
}

impl Handle {
    fn reach(&self) -> Result<MutexGuard<'_, State>, ReplicaError> {
        let state = self.0.state();
        if state.observed_tx.is_none() { Err(ReplicaError::Unreachable) } else { Ok(state) }
    }
}

impl Replica for Handle {
    fn apply(
        &self,
        edits: Vec<Edit>,
        _: Priority,
    ) -> BoxFuture<'_, Result<Vec<Outcome>, ReplicaError>> {
        let result = self.reach().map(|mut state| {
            edits.into_iter().map(|edit| state.apply(&edit.op, edit.body)).collect()
        });
        Box::pin(async { result })
    }

    fn fetch(
        &self,
        wanted: Vec<(RelPath, Entry)>,
        _: Priority,
    ) -> BoxFuture<'_, Result<Vec<Fetched>, ReplicaError>> {
        let result = self.reach().map(|mut state| {
            state.fetches += 1;
            let fetch = |(path, entry): (RelPath, Entry)| {
                state.holds(&path, &entry).map_or(Fetched::Changed, Fetched::Body)
            };
            wanted.into_iter().map(fetch).collect()
        });
        Box::pin(async { result })
    }

    fn signature(
        &self,
        path: RelPath,
        entry: Entry,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, ReplicaError>> {
        let result = self.reach().map(|state| {
            let body = state.holds(&path, &entry)?;
            let mut builder = SignatureBuilder::new(body.len() as u64);
            builder.push(&body);
            Some(builder.finish())
        });
        Box::pin(async { result })
    }

    fn read_delta(
        &self,
        path: RelPath,
        entry: Entry,
        signature: Vec<u8>,
    ) -> BoxFuture<'_, Result<Option<DeltaReader>, ReplicaError>> {
        let result = self.reach().map(|state| {
            let body = state.holds(&path, &entry)?;
            let mut out = Vec::new();
            let mut encoder = Encoder::new(&signature).unwrap();
            encoder.push(&body, &mut out);
            encoder.finish(&mut out);
            Some(Box::new(std::io::Cursor::new(out)) as DeltaReader)
        });
        Box::pin(async { result })
    }

    fn write_delta(
        &self,
        op: Op,
        mut delta: DeltaReader,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(async move {
            let mut bytes = Vec::new();
            delta.read_to_end(&mut bytes).await.unwrap();
            let mut state = self.reach()?;
            state.delta_bytes += bytes.len();
            let old = state.tree.get(&op.path).map(|(_, body)| body.clone()).unwrap_or_default();
            let Some(Entry::File { size, .. }) = op.new else { panic!("no file: {op:?}") };
            let mut decoder = Decoder::new(old.len() as u64, size);
            decoder.push(&bytes);
            let mut body = Vec::new();
            while let Some(next) = decoder.next_op().unwrap() {
                match next {
                    DeltaOp::Copy { offset, len } => {
                        let from = usize::try_from(offset).unwrap();
                        let len = usize::try_from(len).unwrap();
                        body.extend_from_slice(&old[from..from + len]);
                    }
                    DeltaOp::Literal(bytes) => body.extend_from_slice(&bytes),
                    DeltaOp::End => {}
                }
            }
            Ok(state.apply(&op, Some(body)))
        })
    }

    fn trash(&self) -> BoxFuture<'_, Result<Vec<TrashItem>, ReplicaError>> {
        let result = self
            .reach()
            .map(|state| state.trash.iter().rev().map(|(item, _)| item.clone()).collect());
        Box::pin(async { result })
    }

    fn restore(&self, id: u64) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        let result = self.reach().map(|mut state| {
            let (item, body) = state.trash[usize::try_from(id).unwrap()].clone();
            let base = state.tree.get(&item.path).map(|(entry, _)| entry.clone());
            let op = Op { path: item.path.clone(), base, new: Some(item.entry) };
            let outcome = state.apply(&op, Some(body));
            state.report(&item.path, None);
            outcome
        });
        Box::pin(async { result })
    }

    fn rescan(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        let result = self.reach().map(|mut state| state.scan());
        Box::pin(async { result })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        let result = self.reach().map(|_| ()); // everything is sent at once
        Box::pin(async { result })
    }

    fn remove_traces(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async { Ok(()) })
    }
}
