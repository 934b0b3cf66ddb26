//! The last content both sides agreed on. Values only.

use alloc::borrow::Cow;

use super::entry::{Entry, Side, agree};

/// What both sides held when they last agreed. The sides may hold it with
/// different mode bits: not every file system keeps all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    entry: Entry,
    beta_mode: u16,
}

impl Ancestor {
    /// Both hold `entry`.
    pub fn same(entry: Entry) -> Self {
        let beta_mode = mode(&entry).unwrap_or(0);
        Self { entry, beta_mode }
    }

    /// Both hold the same, perhaps with different mode bits; none if they differ
    /// in more than that.
    pub fn pair(alpha: Entry, beta: &Entry) -> Option<Self> {
        let mut ancestor = Self::same(alpha);
        ancestor.beta_mode = mode(beta).unwrap_or(0);
        ancestor.on(Side::Beta).agrees(beta).then_some(ancestor)
    }

    /// What `side` held.
    pub fn on(&self, side: Side) -> Cow<'_, Entry> {
        if side == Side::Alpha || mode(&self.entry).is_none_or(|mode| mode == self.beta_mode) {
            return Cow::Borrowed(&self.entry);
        }
        Cow::Owned(with_mode(&self.entry, self.beta_mode))
    }

    /// What alpha held.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The mode bits beta had.
    pub fn beta_mode(&self) -> u16 {
        self.beta_mode
    }

    /// Whether `side` still holds it.
    pub fn holds_on(&self, side: Side, state: Option<&Entry>) -> bool {
        agree(Some(self.on(side).as_ref()), state)
    }
}

/// The permission bits, where there are any.
pub(super) fn mode(entry: &Entry) -> Option<u16> {
    match entry {
        Entry::Directory { mode } | Entry::File { mode, .. } => Some(*mode),
        Entry::Symlink { .. } => None,
    }
}

/// The same content with other permission bits.
pub(super) fn with_mode(entry: &Entry, new: u16) -> Entry {
    let mut entry = entry.clone();
    match &mut entry {
        Entry::Directory { mode } | Entry::File { mode, .. } => *mode = new,
        Entry::Symlink { .. } => {}
    }
    entry
}

/// Whether both are the same but for the permission bits.
pub(super) fn same_content(left: &Entry, right: &Entry) -> bool {
    match mode(right) {
        Some(mode) => with_mode(left, mode).agrees(right),
        None => left.agrees(right),
    }
}
