//! Writers that are late: a program that had a file open when an edit displaced
//! it goes on writing into the trash. Its content is newer than the edit and is
//! brought back; the edit's content takes its place in the trash.

use std::os::fd::AsFd;

use rustix::fs::RenameFlags;

use super::Worker;
use crate::io::fs::dir;
use crate::io::fs::look::{self, Found};
use crate::sync::entry::Entry;
use crate::sync::settle::Change;

impl Worker {
    /// Something was closed after writing in the trash.
    pub(super) fn late_write(&mut self, name: Option<&[u8]>) {
        let id = name.and_then(|name| std::str::from_utf8(name).ok()?.parse::<u64>().ok());
        let Some(item) = id.and_then(|id| self.tree.store.item(id)) else { return };
        let Entry::File { size, mtime_ns, digest, .. } = &item.entry else { return };
        let name = item.id.to_string();
        let trash = self.tree.store.trash();
        match dir::stat_at(trash, name.as_bytes()).map(|stat| look::stamp(&stat)) {
            Ok(stamp) if stamp.size != *size || stamp.mtime_ns != *mtime_ns => {}
            _ => return, // as it was displaced
        }
        let Found::Held(found, _) = look::look(trash, name.as_bytes(), None, 0) else { return };
        match found.entry() {
            Some(Entry::File { digest: now, .. }) if now != *digest => {}
            _ => return,
        }
        let tree = self.tree.clone();
        let held = tree.guards.hold(&item.path);
        let Ok(parent) = tree.root.parent(&item.path) else { return };
        let current = match tree.look(&item.path, parent.as_fd(), 0) {
            Found::Absent => None,
            Found::Held(known, _) => known.entry(),
            Found::Unstable => return, // stays in the trash
        };
        let (flags, known) = match &current {
            None => (RenameFlags::NOREPLACE, true),
            Some(entry @ Entry::File { .. }) => {
                let late = found.entry();
                let noted = tree.store.record(item.id, &item.path, entry, late.as_ref());
                (RenameFlags::EXCHANGE, noted.is_ok())
            }
            Some(_) => return,
        };
        if !known {
            return;
        }
        let brought =
            rustix::fs::renameat_with(trash, name.as_bytes(), &parent, item.path.name(), flags);
        match brought {
            Ok(()) => {
                tracing::info!(path = %item.path, "brought back what was written after it was displaced");
                tree.store.forget_older(item.id, current.is_some());
            }
            Err(error) => {
                tracing::warn!(path = %item.path, %error, "unable to bring back a late write")
            }
        }
        drop(held);
        self.settle(item.path.clone(), Change::Complete);
    }
}
