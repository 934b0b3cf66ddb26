//! Which directories here and there hold the same, for one process: what was said, then the
//! syncs, then what the program's own names tell.

use std::path::{Path, PathBuf};

use protocol::dap::paths::{Pair, PathMap, infer};
use protocol::wire::debug::AdapterReady;

/// What is known before the process is.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The workspace.
    pub root: PathBuf,
    /// Said by the user: here and there.
    pub said: Vec<(String, String)>,
    /// The syncs: here, and there as the target names it.
    pub syncs: Vec<(String, String)>,
    /// Whether the process's files are this machine's.
    pub same_machine: bool,
}

/// Files that are looked at for names: beyond it a workspace is somebody's home.
const FILES_MAX: usize = 50_000;

/// Folders that hold nobody's sources.
const SKIPPED: &[&str] = &["node_modules", "target", "__pycache__", "venv"];

/// The map for a process. Walks the workspace where names are to be compared: call it where
/// one may block.
pub fn build(known: &Known, ready: &AdapterReady) -> PathMap {
    let pair = |(local, remote): &(String, String), reason| Pair {
        local: local.clone(),
        remote: remote.clone(),
        reason,
    };
    let mut pairs: Vec<Pair> = known.said.iter().map(|said| pair(said, "said")).collect();
    let synced = known.syncs.iter().map(|(local, remote)| {
        let seen = join(&ready.root, remote);
        pair(&(local.clone(), seen), "sync")
    });
    let named = by_names(known, ready);
    // A compiler's names are what its debugger knows, wherever the files are now.
    if matches!(ready.language.as_str(), "go" | "native") {
        pairs.extend(named);
        pairs.extend(synced);
    } else {
        pairs.extend(synced);
        pairs.extend(named);
    }
    if known.syncs.is_empty() && known.said.is_empty() && !known.same_machine {
        let root = known.root.display().to_string();
        pairs.push(pair(&(root, ready.cwd.clone()), "the process works there"));
    }
    PathMap::new(pairs, known.same_machine)
}

fn by_names(known: &Known, ready: &AdapterReady) -> Vec<Pair> {
    if ready.sources.is_empty() {
        return Vec::new();
    }
    let mut roots: Vec<PathBuf> = known.syncs.iter().map(|(local, _)| local.into()).collect();
    roots.push(known.root.clone());
    let mut files = Vec::new();
    for root in &roots {
        // One that is below another one was walked with it.
        if !roots.iter().any(|other| other != root && root.starts_with(other)) {
            walk(root, &mut files);
        }
    }
    files.sort_unstable();
    files.dedup();
    let mut pairs =
        infer(files.iter().map(String::as_str), ready.sources.iter().map(String::as_str));
    // A path without source directories is named by its module.
    if let Some(module) = &ready.module {
        let has = |file: &&String| {
            file.ends_with("/go.mod") && is_module(Path::new(file.as_str()), module)
        };
        if let Some(folder) = files.iter().find(has).and_then(|file| file.strip_suffix("/go.mod")) {
            let (local, remote) = (folder.to_owned(), module.clone());
            if ready.sources.iter().any(|name| name.starts_with(module.as_str())) {
                pairs.insert(0, Pair { local, remote, reason: "the module's path" });
            }
        }
    }
    pairs
}

fn is_module(file: &Path, module: &str) -> bool {
    std::fs::read_to_string(file)
        .is_ok_and(|text| text.lines().any(|line| line.trim() == format!("module {module}")))
}

fn walk(folder: &Path, files: &mut Vec<String>) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || SKIPPED.contains(&name.as_ref()) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path().display().to_string()),
                _ => {}
            }
            if files.len() >= FILES_MAX {
                return;
            }
        }
    }
}

fn join(root: &str, path: &str) -> String {
    format!("{}/{}", root.trim_end_matches('/'), path.trim_start_matches('/'))
}

/// `LOCAL:/REMOTE` as a pair; the local side is seen from `base`.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str, base: &Path) -> Result<(String, String), String> {
    // A module's path has no slash before it.
    let Some((local, remote)) =
        text.split_once(':').filter(|(l, r)| !l.is_empty() && !r.is_empty())
    else {
        return Err(format!("`{text}` is no mapping: write LOCAL:/REMOTE"));
    };
    let local = base.join(local);
    let local = local.canonicalize().unwrap_or(local);
    Ok((local.display().to_string(), remote.to_owned()))
}

/// What the user gets to see of it.
pub fn notes(map: &PathMap) -> Vec<String> {
    let line = |pair: &Pair| format!("sources: {} ⇄ {} ({})", pair.local, pair.remote, pair.reason);
    map.pairs().iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(language: &str) -> AdapterReady {
        AdapterReady {
            language: language.to_owned(),
            adapter: String::new(),
            arguments: "{}".to_owned(),
            root: "/".to_owned(),
            cwd: "/srv".to_owned(),
            sources: Vec::new(),
            module: None,
            quirks: Vec::new(),
        }
    }

    #[test]
    fn what_was_said_comes_first_then_syncs_then_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("cart")).unwrap();
        std::fs::write(root.join("go.mod"), "module example.com/shop\n\ngo 1.22\n").unwrap();
        std::fs::write(root.join("cart/main.go"), "").unwrap();
        let local = root.display().to_string();
        let known = Known {
            root: root.clone(),
            syncs: vec![(local.clone(), "/app".to_owned())],
            ..Known::default()
        };
        let map = build(&known, &ready("python"));
        assert_eq!(map.to_remote(&format!("{local}/a.py")).as_deref(), Some("/app/a.py"));
        let mut go = ready("go");
        go.sources = vec!["/build/shop/cart/main.go".to_owned()];
        let map = build(&known, &go);
        let file = format!("{local}/cart/main.go");
        assert_eq!(map.to_remote(&file).as_deref(), Some("/build/shop/cart/main.go"));
        go.sources = vec!["example.com/shop/cart/main.go".to_owned()];
        go.module = Some("example.com/shop".to_owned());
        let map = build(&known, &go);
        assert_eq!(map.to_remote(&file).as_deref(), Some("example.com/shop/cart/main.go"));
        let bare = Known { root, ..Known::default() };
        let map = build(&bare, &ready("python"));
        assert_eq!(map.to_remote(&format!("{local}/a.py")).as_deref(), Some("/srv/a.py"));
    }

    #[test]
    fn mappings_are_parsed() {
        let base = Path::new("/nowhere");
        let pair = |local: &str, remote: &str| Ok((local.to_owned(), remote.to_owned()));
        assert_eq!(parse("src:/app/src", base), pair("/nowhere/src", "/app/src"));
        assert_eq!(parse("/w:example.com/m", base), pair("/w", "example.com/m"));
        assert!(parse("src", base).is_err() && parse(":/app", base).is_err());
    }
}
