//! Applies a batch: directories in order, everything else on a few threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::apply::{self, Content};
use super::tree::Tree;
use crate::error::{ErrorCode, WireError};
use crate::io::replica::Edit;
use crate::limits::REPLICA_THREADS;
use crate::sync::entry::{Entry, Outcome};

/// What an edit does, in the order in which the kinds are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    MakeDirectory,
    Put,
    Remove,
    RemoveDirectory,
}

/// Edits of one kind that are worth a second thread.
const PARALLEL_MIN: usize = 8;

/// New names come before old ones go, so that a program that looks for a moved
/// file finds it at one place at least. Where a directory gives way to something
/// else, it must be emptied first.
const USUAL: [Kind; 4] = [Kind::MakeDirectory, Kind::Put, Kind::Remove, Kind::RemoveDirectory];
const EMPTY_FIRST: [Kind; 4] =
    [Kind::Remove, Kind::RemoveDirectory, Kind::MakeDirectory, Kind::Put];

/// Applies all of them; outcomes in their order.
pub fn apply(tree: &Tree, edits: Vec<Edit>) -> Vec<Outcome> {
    let gives_way = |edit: &Edit| {
        matches!(edit.op.base, Some(Entry::Directory { .. }))
            && matches!(edit.op.new, Some(Entry::File { .. } | Entry::Symlink { .. }))
    };
    let order = if edits.iter().any(gives_way) { EMPTY_FIRST } else { USUAL };
    let cells: Vec<_> = edits.into_iter().map(|edit| Mutex::new(Some(edit))).collect();
    let kinds: Vec<_> = cells.iter().map(cell_kind).collect();
    let outcomes: Vec<_> = cells.iter().map(|_| Mutex::new(None)).collect();
    for kind in order {
        let mut chosen: Vec<_> = (0..cells.len()).filter(|at| kinds[*at].0 == kind).collect();
        match kind {
            Kind::MakeDirectory => chosen.sort_by_key(|at| kinds[*at].1),
            Kind::RemoveDirectory => chosen.sort_by_key(|at| std::cmp::Reverse(kinds[*at].1)),
            Kind::Put | Kind::Remove => {}
        }
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(at) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                let edit = cells[*at].lock().ok().and_then(|mut cell| cell.take());
                let outcome = edit.map(|edit| one(tree, edit));
                if let Ok(mut cell) = outcomes[*at].lock() {
                    *cell = outcome;
                }
            }
        };
        let free = matches!(kind, Kind::Put | Kind::Remove);
        if free && chosen.len() >= PARALLEL_MIN {
            std::thread::scope(|scope| {
                for _ in 1..REPLICA_THREADS {
                    scope.spawn(work);
                }
                work();
            });
        } else {
            work();
        }
    }
    outcomes.into_iter().map(|cell| cell.into_inner().ok().flatten().unwrap_or_else(lost)).collect()
}

fn one(tree: &Tree, edit: Edit) -> Outcome {
    let content = edit.body.map_or(Content::None, Content::Body);
    apply::apply(tree, &edit.op, content)
}

fn cell_kind(cell: &Mutex<Option<Edit>>) -> (Kind, usize) {
    let edit = cell.lock().ok();
    let Some(edit) = edit.as_ref().and_then(|edit| edit.as_ref()) else { return (Kind::Put, 0) };
    let depth = apply::depth(&edit.op.path);
    let kind = match (&edit.op.base, &edit.op.new) {
        (_, Some(Entry::Directory { .. })) => Kind::MakeDirectory,
        (_, Some(_)) => Kind::Put,
        (Some(Entry::Directory { .. }), None) => Kind::RemoveDirectory,
        (_, None) => Kind::Remove,
    };
    (kind, depth)
}

fn lost() -> Outcome {
    Outcome::Failed(WireError::new(ErrorCode::Other, "the edit was cut off"))
}
