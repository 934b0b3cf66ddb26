//! A model tree that behaves like a replica: compare-and-swap, trash, events,
//! scans that take their time.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Directory { mode: u16 },
    File { content: u32, mode: u16, large: bool },
    Link(u32),
}

pub(super) struct Disk {
    pub(super) replica: u8,
    pub(super) tree: BTreeMap<RelPath, Node>,
    pub(super) trash: BTreeSet<u32>,
    pub(super) observations: VecDeque<Observation>,
    /// Contents that a user's own hand removed here.
    pub(super) destroyed: BTreeSet<u32>,
    pub(super) full: bool,
    /// Events are being lost.
    pub(super) deaf: bool,
    pub(super) overflowed: bool,
    pub(super) keeps_modes: bool,
    rev: u64,
    cursor: Option<RelPath>,
    times: i64,
}

impl Disk {
    pub(super) fn new(replica: u8) -> Self {
        Self {
            replica,
            tree: BTreeMap::new(),
            trash: BTreeSet::new(),
            observations: VecDeque::new(),
            destroyed: BTreeSet::new(),
            full: false,
            deaf: false,
            overflowed: false,
            keeps_modes: true,
            rev: 0,
            cursor: None,
            times: 0,
        }
    }

    pub(super) fn contents(&self) -> impl Iterator<Item = u32> + '_ {
        self.tree.values().filter_map(|node| match node {
            Node::File { content, .. } => Some(*content),
            _ => None,
        })
    }

    pub(super) fn entry(&self, path: &RelPath) -> Option<Entry> {
        Some(self.to_entry(*self.tree.get(path)?))
    }

    fn to_entry(&self, node: Node) -> Entry {
        match node {
            Node::Directory { mode } => Entry::Directory { mode },
            Node::File { content, mode, large } => {
                let mut digest: Digest = [0; 32];
                digest[..4].copy_from_slice(&content.to_be_bytes());
                let size = if large { 1 << 20 } else { 100 };
                Entry::File { digest, size, mode, mtime_ns: self.times }
            }
            Node::Link(target) => Entry::Symlink { target: target.to_be_bytes().to_vec() },
        }
    }

    fn to_node(entry: &Entry) -> Node {
        match entry {
            Entry::Directory { mode } => Node::Directory { mode: *mode },
            Entry::File { digest, mode, size, .. } => Node::File {
                content: u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]),
                mode: *mode,
                large: *size > 1000,
            },
            Entry::Symlink { target } => {
                Node::Link(u32::from_be_bytes([target[0], target[1], target[2], target[3]]))
            }
        }
    }

    /// A new stream of observations, numbered from the start.
    pub(super) fn reopen(&mut self) {
        self.observations.clear();
        self.rev = 0;
        self.overflowed = false;
        self.begin_scan();
    }

    pub(super) fn begin_scan(&mut self) {
        self.rev += 1;
        self.cursor = Some(RelPath::root());
        self.observations.push_back(Observation::ScanStarted { replica: [self.replica; 16] });
    }

    /// Scans on by `n` entries; begins anew when events were lost.
    pub(super) fn scan_on(&mut self, n: usize) {
        for _ in 0..n {
            let Some(cursor) = self.cursor.clone() else { break };
            let next = self
                .tree
                .range((core::ops::Bound::Excluded(cursor), core::ops::Bound::Unbounded))
                .next()
                .map(|(path, _)| path.clone());
            match next {
                Some(path) => {
                    self.report(&path);
                    self.cursor = Some(path);
                }
                None => {
                    self.rev += 1;
                    self.cursor = None;
                    self.observations.push_back(Observation::ScanDone { rev: self.rev });
                }
            }
        }
        if self.cursor.is_none() && self.overflowed {
            self.overflowed = false;
            self.begin_scan();
            if n > 100 {
                self.scan_on(n);
            }
        }
    }

    fn report(&mut self, path: &RelPath) {
        self.rev += 1;
        let (rev, path, state) = (self.rev, path.clone(), self.entry(path));
        self.observations.push_back(Observation::Seen { rev, path, state, body: None });
    }

    fn event(&mut self, path: &RelPath) {
        if !self.deaf {
            self.report(path);
        }
    }

    fn destroy(&mut self, node: Node) {
        if let Node::File { content, .. } = node {
            self.destroyed.insert(content);
        }
    }

    fn below(&self, path: &RelPath) -> Vec<RelPath> {
        let within = self.tree.range(path.clone()..).map(|(below, _)| below.clone());
        let mut paths: Vec<_> = within.take_while(|below| below.is_within(path)).collect();
        paths.reverse();
        paths
    }

    pub(super) fn remove(&mut self, path: &RelPath) -> bool {
        let paths = self.below(path);
        for path in &paths {
            if let Some(node) = self.tree.remove(path) {
                self.destroy(node);
                self.event(path);
            }
        }
        !paths.is_empty()
    }

    fn make_parents(&mut self, path: &RelPath) {
        let mut parents: Vec<_> = core::iter::successors(path.parent(), RelPath::parent)
            .filter(|p| !p.is_root())
            .collect();
        parents.reverse();
        for parent in parents {
            if matches!(self.tree.get(&parent), Some(Node::Directory { .. })) {
                continue;
            }
            self.remove(&parent);
            self.tree.insert(parent.clone(), Node::Directory { mode: 0o755 });
            self.event(&parent);
        }
    }

    pub(super) fn write(&mut self, path: &RelPath, node: Node) -> bool {
        self.make_parents(path);
        match (self.tree.get(path), node) {
            (Some(Node::Directory { .. }), Node::Directory { .. }) => return false,
            (Some(Node::Directory { .. }), _) => {
                self.remove(path);
            }
            _ => {}
        }
        if let Some(old) = self.tree.insert(path.clone(), node) {
            self.destroy(old);
        }
        self.times += 1;
        self.event(path);
        true
    }

    pub(super) fn rename(&mut self, from: &RelPath, to: &RelPath) -> bool {
        if !self.tree.contains_key(from) || to.is_within(from) || from.is_within(to) {
            return false;
        }
        self.remove(to);
        self.make_parents(to);
        if !self.tree.contains_key(from) {
            return false; // it stood where a parent had to be made
        }
        let mut paths = self.below(from);
        paths.reverse();
        let mut moved = Vec::new();
        for path in &paths {
            if let Some(node) = self.tree.remove(path) {
                let mut bytes = to.as_bytes().to_vec();
                bytes.extend_from_slice(&path.as_bytes()[from.as_bytes().len()..]);
                moved.push((RelPath::parse(&bytes).unwrap(), node));
            }
        }
        for path in paths.iter().rev() {
            self.event(path);
        }
        for (path, node) in moved {
            self.tree.insert(path.clone(), node);
            self.event(&path);
        }
        true
    }

    pub(super) fn chmod(&mut self, path: &RelPath) -> bool {
        let Some(Node::File { mode, .. }) = self.tree.get_mut(path) else { return false };
        *mode ^= 0o111;
        self.event(path);
        true
    }

    pub(super) fn touch(&mut self, path: &RelPath) -> bool {
        self.times += 1;
        self.event(path);
        self.tree.contains_key(path)
    }

    /// What a replica does with an edit.
    pub(super) fn apply(&mut self, op: &Op) -> Outcome {
        let held = self.entry(&op.path);
        self.rev += 1;
        if agree(held.as_ref(), op.new.as_ref()) {
            return Outcome::Applied { rev: self.rev, state: held };
        }
        if !agree(held.as_ref(), op.base.as_ref()) {
            return Outcome::Stale { rev: self.rev, state: held };
        }
        let fail = |code, text: &str| Outcome::Failed(WireError::new(code, text));
        if self.full && op.new.is_some() {
            return fail(ErrorCode::NoSpace, "no space left");
        }
        if let Some(parent) = op.path.parent().filter(|parent| !parent.is_root()) {
            match self.tree.get(&parent) {
                Some(Node::Directory { .. }) => {}
                Some(_) => return fail(ErrorCode::Other, "not a directory"),
                None if op.new.is_some() => {
                    let above = core::iter::successors(Some(parent.clone()), RelPath::parent);
                    let blocked = above.into_iter().any(|path| {
                        matches!(self.tree.get(&path), Some(Node::File { .. } | Node::Link(_)))
                    });
                    if blocked {
                        return fail(ErrorCode::Other, "not a directory");
                    }
                    self.make_parents(&op.path);
                }
                None => {}
            }
        }
        let emptied =
            matches!(op.new, Some(Entry::Directory { .. })) || self.below(&op.path).len() <= 1;
        if !emptied {
            return fail(ErrorCode::Other, "directory not empty");
        }
        self.times += 1;
        let new = op.new.as_ref().map(Self::to_node).map(|node| match node {
            Node::File { content, large, .. } if !self.keeps_modes => {
                Node::File { content, mode: 0o600, large }
            }
            node => node,
        });
        let old = match new {
            Some(node) => self.tree.insert(op.path.clone(), node),
            None => self.tree.remove(&op.path),
        };
        if let Some(Node::File { content, .. }) = old {
            self.trash.insert(content);
        }
        self.rev += 1;
        Outcome::Applied { rev: self.rev, state: self.entry(&op.path) }
    }
}

pub(super) fn without_mode(entry: &Entry) -> Entry {
    match entry {
        Entry::File { digest, size, .. } => {
            Entry::File { digest: *digest, size: *size, mode: 0, mtime_ns: 0 }
        }
        Entry::Directory { .. } => Entry::Directory { mode: 0 },
        link => link.clone(),
    }
}

/// A state in a few letters.
pub(super) fn short(state: Option<&Entry>) -> String {
    match state.map(Disk::to_node) {
        None => "-".into(),
        Some(Node::Directory { mode }) => format!("d{mode:o}"),
        Some(Node::File { content, mode, .. }) => format!("f{content}/{mode:o}"),
        Some(Node::Link(target)) => format!("l{target}"),
    }
}
