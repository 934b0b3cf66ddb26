//! Sources on their way: paths of the target become this machine's and back. Files that are
//! only on the target get a number, by which the editor asks for their text.

use serde_json::Value;

use super::super::paths::PathMap;
use super::super::places::{Kind, from_uri, to_uri};
use super::DAP_SOURCES_MAX;

/// Numbers of ours begin here: adapters count from 1, and DAP ends at 2^31 - 1.
pub const REFERENCE_MIN: i64 = 1 << 30;

/// Files that are only on the target.
#[derive(Debug, Default)]
pub struct Sources {
    paths: Vec<String>,
}

impl Sources {
    /// From the adapter to the editor.
    pub fn localise(&mut self, map: &PathMap, uris: bool, kind: Kind, part: &mut Value) {
        if kind == Kind::Module {
            for key in ["path", "symbolFilePath"] {
                if let Some(path) = part[key].as_str().and_then(|path| map.to_local(path)) {
                    part[key] = path.into();
                }
            }
            return;
        }
        if let Some(inner) = part.get_mut("sources").and_then(Value::as_array_mut) {
            // One level is what adapters use, and what a hostile one gets.
            for source in inner.iter_mut().filter(|source| source.is_object()) {
                self.one_local(map, uris, source);
            }
        }
        self.one_local(map, uris, part);
    }

    fn one_local(&mut self, map: &PathMap, uris: bool, source: &mut Value) {
        let Some(path) = source["path"].as_str().map(str::to_owned) else { return };
        let has_text = source["sourceReference"].as_i64().is_some_and(|number| number > 0);
        if let Some(local) = map.to_local(&path) {
            source["path"] = if uris { to_uri(&local) } else { local }.into();
        } else if !has_text
            && path.starts_with('/')
            && let Some(number) = self.number(&path)
        {
            source["sourceReference"] = number.into();
            source["origin"] = "on the target".into();
        }
    }

    fn number(&mut self, path: &str) -> Option<i64> {
        let at = match self.paths.iter().position(|known| known == path) {
            Some(at) => at,
            None if self.paths.len() < DAP_SOURCES_MAX => {
                self.paths.push(path.to_owned());
                self.paths.len() - 1
            }
            None => return None,
        };
        Some(REFERENCE_MIN + i64::try_from(at).ok()?)
    }

    /// The file that has this number.
    pub fn path(&self, reference: i64) -> Option<&str> {
        let at = usize::try_from(reference.checked_sub(REFERENCE_MIN)?).ok()?;
        self.paths.get(at).map(String::as_str)
    }

    /// From the editor to the adapter; the local path when it is nowhere on the target.
    pub fn remote(&self, map: &PathMap, uris: bool, source: &mut Value) -> Result<(), String> {
        if let Some(path) = source["sourceReference"].as_i64().and_then(|n| self.path(n)) {
            source["path"] = path.into();
            if let Some(fields) = source.as_object_mut() {
                fields.remove("sourceReference");
                fields.remove("origin");
            }
            return Ok(());
        }
        let Some(path) = source["path"].as_str() else { return Ok(()) };
        let local = if uris { from_uri(path) } else { Some(path.to_owned()) };
        let Some(local) = local.filter(|local| local.starts_with('/')) else { return Ok(()) };
        match map.to_remote(&local) {
            Some(remote) => {
                source["path"] = remote.into();
                Ok(())
            }
            None => Err(local),
        }
    }
}
