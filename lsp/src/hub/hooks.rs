//! What follows edits: at most one runs, and of those that wait only the latest
//! request of each sync is kept. Pure.

use std::collections::BTreeMap;

/// The hooks of one hub.
#[derive(Debug, Default)]
pub struct Hooks {
    running: Option<String>,
    /// In the order of their first request.
    waiting: Vec<String>,
    records: BTreeMap<String, Record>,
}

/// What became of the hooks of one sync.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// How often one ended.
    pub runs: u64,
    /// How the last one failed, if it did.
    pub last_error: Option<String>,
}

impl Hooks {
    /// A batch of `sync` is visible. Returns the sync whose hook to run now.
    pub fn request(&mut self, sync: &str) -> Option<String> {
        if !self.waiting.iter().any(|waiting| waiting == sync) {
            self.waiting.push(sync.to_owned());
        }
        self.next()
    }

    /// A hook ended. Returns the sync whose hook to run now.
    pub fn ended(&mut self, sync: &str, result: Result<(), String>) -> Option<String> {
        if self.running.as_deref() == Some(sync) {
            self.running = None;
        }
        let record = self.records.entry(sync.to_owned()).or_default();
        record.runs += 1;
        record.last_error = result.err();
        self.next()
    }

    /// Forgets a sync that is no more. Its running hook still ends.
    pub fn forget(&mut self, sync: &str) {
        self.waiting.retain(|waiting| waiting != sync);
        self.records.remove(sync);
    }

    /// Whether none runs and none waits.
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// Whether this sync's hook runs.
    pub fn is_running(&self, sync: &str) -> bool {
        self.running.as_deref() == Some(sync)
    }

    /// What became of this sync's hooks.
    pub fn record(&self, sync: &str) -> Record {
        self.records.get(sync).cloned().unwrap_or_default()
    }

    fn next(&mut self) -> Option<String> {
        if self.running.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.running = Some(self.waiting.remove(0));
        self.running.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_runs_and_later_requests_become_one() {
        let mut hooks = Hooks::default();
        assert_eq!(hooks.request("app").as_deref(), Some("app"));
        for _ in 0..10 {
            assert_eq!(hooks.request("app"), None);
            assert_eq!(hooks.request("lib"), None);
        }
        assert_eq!(hooks.ended("app", Ok(())).as_deref(), Some("app"));
        assert_eq!(hooks.ended("app", Ok(())).as_deref(), Some("lib"));
        assert_eq!(hooks.ended("lib", Err("status 1".to_owned())), None);
        assert!(hooks.is_idle());
        assert_eq!(hooks.record("app"), Record { runs: 2, last_error: None });
        assert_eq!(hooks.record("lib").last_error.as_deref(), Some("status 1"));
    }

    #[test]
    fn a_forgotten_sync_runs_nothing_more() {
        let mut hooks = Hooks::default();
        hooks.request("app");
        hooks.request("lib");
        hooks.forget("lib");
        assert_eq!(hooks.ended("app", Ok(())), None);
    }
}
