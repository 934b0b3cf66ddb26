//! What is known of the workspace: the hub's status as it came, the conflicts with the
//! target's contents, and which local file a path of the target is. Pure.

use std::path::{Component, Path, PathBuf};

use lsp_types::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::live::Live;
use super::problems::Problem;

/// What the editor shows comes from here and from the open texts alone.
#[derive(Debug, Default)]
pub struct Facts {
    /// The workspace root.
    pub root: PathBuf,
    /// The hub's status as scripts get it; none while no hub runs.
    pub raw: Option<Value>,
    /// What is read of it.
    pub status: Status,
    /// Paths that both sides changed.
    pub conflicts: Vec<Conflict>,
    /// Problems that hooks and the app told of in their output.
    pub problems: Vec<Problem>,
    /// The text of `towline.yaml` as the editor has it, else as the disk does.
    pub config: Option<String>,
    /// The namespace that is meant where the target names none.
    pub namespace: Option<String>,
    /// What the cluster has where it points.
    pub live: Option<Live>,
    /// What is wrong in `towline.yaml`: line and column from 1, and the sentence.
    pub config_error: Option<(u64, u64, String)>,
}

/// The parts of a status that matter here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Whether all that is wanted is there.
    pub readiness: Tagged,
    /// The target.
    pub target: Option<String>,
    /// The link.
    pub link: Option<Tagged>,
    /// The syncs.
    pub syncs: Vec<SyncView>,
    /// Open ports.
    pub forwards: Vec<Forward>,
    /// The app.
    pub app: Option<Tagged>,
    /// What follows edits.
    pub hooks: Vec<Hook>,
}

/// Something with a state.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Tagged {
    /// Which.
    pub state: String,
    /// Why, where there is a reason.
    pub reason: Option<String>,
    /// What is waited for.
    pub waiting_for: Option<String>,
    /// Of a link: its carrier.
    pub carrier: Option<String>,
    /// Of a link: its round trip.
    pub rtt_us: Option<u64>,
    /// Of the app: how often it was started.
    pub starts: Option<u64>,
}

/// One sync.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SyncView {
    /// Its name.
    pub name: String,
    /// The local root.
    pub alpha: String,
    /// The target's root.
    pub beta: String,
    /// How many paths are in conflict.
    pub conflicts: u64,
    /// What cannot be synced, and why.
    pub problems: Vec<(String, String)>,
    /// Where it is.
    pub phase: Phase,
}

/// Where a sync is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Phase {
    /// Which phase.
    pub phase: String,
    /// Why, where there is a reason.
    pub reason: Option<String>,
}

/// An open port.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Forward {
    /// As it was asked for.
    pub spec: String,
    /// Where it listens.
    pub local: Vec<String>,
    /// Where it leads.
    pub remote: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port that was wanted and was taken.
    pub instead_of: Option<u16>,
}

/// What follows edits of one sync.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The sync.
    pub sync: String,
    /// Whether it runs now.
    pub running: bool,
    /// How often it ended.
    pub runs: u64,
    /// How it failed the last time.
    pub last_error: Option<String>,
}

/// A path that both sides changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conflict {
    /// The sync.
    pub sync: String,
    /// Below its root.
    pub path: String,
    /// What happened here.
    pub local: String,
    /// What happened there.
    pub target: String,
    /// The local file.
    #[cfg_attr(test, schemars(with = "String"))]
    pub uri: Url,
    /// The target's file, as the target names it.
    pub remote: String,
    /// The local content, as it was when the conflict was seen; none for what is no text.
    #[serde(skip)]
    pub ours: Option<String>,
    /// The target's.
    #[serde(skip)]
    pub theirs: Option<String>,
}

impl Facts {
    /// Takes a new status.
    pub fn told(&mut self, raw: Option<Value>) {
        let status = raw.clone().map(serde_json::from_value).and_then(Result::ok);
        self.status = status.unwrap_or_default();
        self.raw = raw;
    }

    /// Whether something is up.
    pub fn is_up(&self) -> bool {
        !matches!(self.status.readiness.state.as_str(), "" | "idle")
    }

    /// The sync and the path below it that a local file is in.
    pub fn synced(&self, file: &Path) -> Option<(&SyncView, PathBuf)> {
        // Of syncs inside each other the innermost one has it.
        let inside = self
            .status
            .syncs
            .iter()
            .filter_map(|sync| Some((sync, file.strip_prefix(&sync.alpha).ok()?.to_owned())));
        inside.max_by_key(|(sync, _)| sync.alpha.len())
    }

    /// The local file that a path of the target is, whether it is there or not.
    pub fn local_of(&self, remote: &str) -> Option<PathBuf> {
        let remote = Path::new(remote);
        // On a directory of this machine, processes see where it really is.
        let seen = self.status.target.as_deref().and_then(|text| text.strip_prefix("local:"));
        let roots = self.status.syncs.iter().flat_map(|sync| {
            let real = seen.map(|dir| Path::new(dir).join(sync.beta.trim_start_matches('/')));
            [Some(PathBuf::from(&sync.beta)), real]
                .into_iter()
                .flatten()
                .map(|beta| (beta, PathBuf::from(&sync.alpha)))
        });
        let below = roots.filter_map(|(beta, alpha)| {
            let rest = remote.strip_prefix(&beta).ok()?;
            let is_plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
            is_plain.then(|| (beta.as_os_str().len(), alpha.join(rest)))
        });
        below.max_by_key(|(len, _)| *len).map(|(_, local)| local)
    }

    /// Where the local file is on the target.
    pub fn remote_of(&self, file: &Path) -> Option<String> {
        let (sync, below) = self.synced(file)?;
        let below = below.to_str()?;
        Some(format!("{}/{below}", sync.beta.trim_end_matches('/')))
    }

    /// The conflict at a local file.
    pub fn conflict_at(&self, uri: &Url) -> Option<&Conflict> {
        self.conflicts.iter().find(|conflict| conflict.uri == *uri)
    }

    /// The open port that leads to a port of the target's own.
    pub fn forwarded(&self, port: u16) -> Option<&Forward> {
        let suffix = format!(":{port}");
        let own = |forward: &&Forward| {
            forward.remote.starts_with("localhost:") && forward.remote.ends_with(&suffix)
        };
        self.status.forwards.iter().find(own)
    }

    /// How it is, in a few words, for lenses and people.
    pub fn summary(&self) -> String {
        let readiness = &self.status.readiness;
        match readiness.state.as_str() {
            "" | "idle" => "not connected".to_owned(),
            "pending" => {
                format!("waiting for {}", readiness.waiting_for.as_deref().unwrap_or("the agent"))
            }
            "failed" => readiness.reason.clone().unwrap_or_else(|| "failed".to_owned()),
            _ => {
                let conflicts: u64 = self.status.syncs.iter().map(|sync| sync.conflicts).sum();
                let link = self.status.link.as_ref();
                let rtt = link.and_then(|link| link.rtt_us).unwrap_or_default();
                let mut text = format!("connected, {:.1} ms", rtt as f64 / 1000.0);
                if conflicts > 0 {
                    text.push_str(&format!(", {conflicts} in conflict"));
                }
                text
            }
        }
    }
}

/// The address of a path of this machine.
pub fn uri_of(path: &Path) -> Option<Url> {
    Url::from_file_path(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.told(Some(json!({
            "readiness": { "state": "ready" },
            "target": "local:/there",
            "syncs": [
                { "name": "app", "alpha": "/w", "beta": "/app", "phase": { "phase": "in_sync" } },
                { "name": "lib", "alpha": "/w/lib", "beta": "/usr/lib/x" }
            ],
            "forwards": [
                { "spec": "8080", "local": ["127.0.0.1:8081"], "remote": "localhost:8080" }
            ],
        })));
        facts
    }

    #[test]
    fn paths_are_mapped_by_the_innermost_sync() {
        let facts = facts();
        let local = |remote| facts.local_of(remote).map(|path| path.display().to_string());
        assert_eq!(local("/app/a/b.py").as_deref(), Some("/w/a/b.py"));
        assert_eq!(local("/usr/lib/x/y").as_deref(), Some("/w/lib/y"));
        assert_eq!(local("/there/app/a").as_deref(), Some("/w/a"), "as a process there sees it");
        assert_eq!(local("/app/../etc/passwd"), None);
        assert_eq!(local("/etc/passwd"), None);
        assert_eq!(facts.remote_of(Path::new("/w/lib/y")).as_deref(), Some("/usr/lib/x/y"));
        assert_eq!(facts.remote_of(Path::new("/elsewhere")), None);
        assert_eq!(facts.forwarded(8080).unwrap().spec, "8080");
        assert!(facts.forwarded(80).is_none());
    }

    #[test]
    fn a_status_of_another_shape_is_taken_as_far_as_it_goes() {
        let mut facts = Facts::default();
        facts.told(Some(json!({ "readiness": { "state": "idle" }, "new": [1] })));
        assert!(!facts.is_up());
        facts.told(Some(json!([1])));
        assert!(!facts.is_up());
        assert_eq!(facts.summary(), "not connected");
    }
}
