//! Says when `towline.yaml` is no longer what was brought up. Reads that one file
//! and changes nothing: what is up stays until someone asks for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::file::{self, File, FileError};

/// The file of one workspace.
pub struct ConfigWatch {
    seen: Arc<Seen>,
    /// Ends the watch when it goes.
    _watcher: Option<RecommendedWatcher>,
}

struct Seen {
    path: PathBuf,
    verdict: Mutex<Verdict>,
}

#[derive(Default)]
struct Verdict {
    brought_up: Option<String>,
    warning: Option<String>,
}

impl ConfigWatch {
    /// Watches the file in `root`; `changed` is called, on a thread of its own,
    /// whenever [`ConfigWatch::warning`] may have become another.
    pub fn start(root: &Path, changed: impl Fn() + Send + 'static) -> Self {
        let path = root.join(crate::runtime::CONFIG_NAME);
        let seen = Arc::new(Seen { path, verdict: Mutex::default() });
        seen.accept();
        // The directory, not the file: editors replace it when they save.
        let watched = watcher(seen.clone(), changed).and_then(|mut watcher| {
            watcher.watch(root, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watched {
            tracing::warn!(%error, "changes of towline.yaml go unnoticed");
        }
        Self { seen, _watcher: watched.ok() }
    }

    /// What the file says now is what is up.
    pub fn accept(&self) {
        self.seen.accept();
    }

    /// What to tell the user, if the file says something else than what is up.
    pub fn warning(&self) -> Option<String> {
        self.seen.verdict().warning.clone()
    }
}

fn watcher(
    seen: Arc<Seen>,
    changed: impl Fn() + Send + 'static,
) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let concerns = match &event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => event.need_rescan() || event.paths.contains(&seen.path),
            Err(_) => true,
        };
        if concerns && seen.judge() {
            changed();
        }
    })
}

impl Seen {
    fn verdict(&self) -> MutexGuard<'_, Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self) {
        let text = file::text(&self.path).ok().flatten();
        *self.verdict() = Verdict { brought_up: text, warning: None };
    }

    /// Whether the warning is another one than before.
    fn judge(&self) -> bool {
        let read = file::text(&self.path);
        let mut verdict = self.verdict();
        let warning = judge(&self.path, read, verdict.brought_up.as_deref());
        let changed = verdict.warning != warning;
        verdict.warning = warning;
        changed
    }
}

/// Compares what is read with what was brought up.
fn judge(
    path: &Path,
    read: Result<Option<String>, FileError>,
    brought_up: Option<&str>,
) -> Option<String> {
    let parsed = match &read {
        Ok(text) if text.as_deref() == brought_up => return None,
        Ok(None) => Ok(File::default()),
        Ok(Some(text)) => file::parse(path, text),
        Err(error) => return Some(format!("{error}; what is up stays as it was")),
    };
    Some(match parsed {
        Ok(_) => "towline.yaml changed since `up`: `towline up --replace` applies it".to_owned(),
        Err(error) => format!("{error} ({}); what is up stays as it was", error.help()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(brought_up: Option<&str>, now: Option<&str>, says: Option<&str>) {
        let warning = judge(Path::new("towline.yaml"), Ok(now.map(str::to_owned)), brought_up);
        match (&warning, says) {
            (None, None) => {}
            (Some(warning), Some(says)) if warning.contains(says) => {}
            _ => panic!("{warning:?} does not say {says:?}"),
        }
    }

    #[test]
    fn only_another_text_is_worth_a_word() {
        check(None, None, None);
        check(Some("target: a"), Some("target: a"), None);
        check(Some("target: a"), Some("target: b"), Some("up --replace"));
        check(Some("target: a"), None, Some("up --replace"));
        check(None, Some("target: a"), Some("up --replace"));
        check(Some("target: a"), Some("tagret: a"), Some("towline.yaml:1:1"));
        check(Some("target: a"), Some("tagret: a"), Some("did you mean `target`?"));
    }
}
