//! Suite: tidy. What a reviewer forgets: file headers, forbidden imports per
//! folder, clocks in pure code, sleeping tests, unused limits, file sizes, the
//! visible top level of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file without its tests. A file over it holds a second concept.
const LINES_MAX: usize = 420;

/// Names that only some folders may use. Paths are relative to the repository.
const DOORS: &[(&str, &[&str])] = &[
    ("quinn", &["protocol/src/io/"]),
    ("rustls", &["protocol/src/io/"]),
    ("rcgen", &["protocol/src/io/"]),
    ("notify", &["lsp/src/config/watch.rs", "lsp/src/editor/watch.rs"]),
    ("tower_lsp", &["lsp/src/editor/server"]),
    ("lsp_types", &["lsp/src/editor"]),
    ("similar", &["lsp/src/editor/diagnostics.rs"]),
    ("regex", &["lsp/src/editor/problems.rs"]),
    ("base64", &["lsp/src/editor/commands/files.rs"]),
    ("kube", &["lsp/src/cluster"]),
    ("tar", &["lsp/src/cluster/agent_image.rs"]),
    ("sha2", &["lsp/src/cluster/agent_image.rs"]),
    ("k8s_openapi", &["lsp/src/cluster"]),
    ("ignore", &["protocol/src/io/fs/"]),
    ("hickory_resolver", &["agent/src/dns"]),
    ("pty_process", &["agent/src/exec"]),
    ("clap", &["lsp/src/cli", "lsp/src/main.rs"]),
    ("indicatif", &["lsp/src/cli"]),
    ("lsp", &["tests/", "lsp/src/main.rs"]),
    ("agent", &["tests/", "agent/src/main.rs"]),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository is there")
}

/// Every Rust file as (path relative to the repository, text).
fn sources() -> Vec<(String, String)> {
    let root = repository();
    let mut files = Vec::new();
    for folder in ["protocol", "agent", "lsp", "tests"] {
        collect(&root, &root.join(folder), &mut files);
    }
    assert!(files.len() > 30, "the sources were not found");
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for path in fs::read_dir(folder).expect("folder").flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            files.push((name, fs::read_to_string(&path).expect("source")));
        }
    }
}

/// The text before the file's own tests, without comments.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let problems: Vec<_> = sources()
        .iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| format!("{path}: no `//!` header"))
        .collect();
    report(&problems);
}

#[test]
fn each_library_is_named_behind_its_door_only() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let code = code(&text);
        for (library, doors) in DOORS {
            let named = [
                format!("use {library}::"),
                format!(" {library}::"),
                format!("({library}::"),
                format!("<{library}::"),
            ];
            if !doors.iter().any(|door| path.starts_with(door))
                && named.iter().any(|named| code.contains(named.as_str()))
            {
                problems.push(format!("{path}: names `{library}`, which belongs to {doors:?}"));
            }
        }
    }
    report(&problems);
}

#[test]
fn pure_code_has_no_clock() {
    let clocks = ["Instant::now", "SystemTime::now", "rand::", "getrandom"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let pure = path.starts_with("protocol/src/") && !path.starts_with("protocol/src/io");
        let pure = pure || path == "lsp/src/hub/state.rs" || path == "lsp/src/hub/event.rs";
        for clock in clocks.iter().filter(|clock| pure && code(&text).contains(**clock)) {
            problems.push(format!("{path}: pure code uses `{clock}`"));
        }
    }
    report(&problems);
}

#[test]
fn no_test_sleeps_or_is_silently_ignored() {
    // The harness polls; benchmarks and the harness's own loop are the door.
    let mut problems = Vec::new();
    for (path, text) in sources() {
        if !is_test(&path) || path == "tests/harness/wait.rs" || path.ends_with("tidy.rs") {
            continue;
        }
        for word in ["thread::sleep", "time::sleep(", "#[ignore"] {
            if text.contains(word) {
                problems.push(format!("{path}: `{word}` (wait for a condition: harness::wait)"));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_limit_is_used() {
    let sources = sources();
    let (_, limits) =
        sources.iter().find(|(path, _)| path == "protocol/src/limits.rs").expect("limits");
    let mut problems = Vec::new();
    for line in limits.lines().filter_map(|line| line.strip_prefix("pub const ")) {
        let name = line.split(':').next().expect("a constant has a type");
        if !sources
            .iter()
            .any(|(path, text)| path != "protocol/src/limits.rs" && text.contains(name))
        {
            problems.push(format!("protocol/src/limits.rs: `{name}` is used nowhere"));
        }
    }
    report(&problems);
}

#[test]
fn files_hold_one_concept() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let lines = code(&text).lines().count();
        if !is_test(&path) && lines > LINES_MAX {
            problems.push(format!("{path}: {lines} lines of code, over {LINES_MAX}"));
        }
    }
    report(&problems);
}

#[test]
fn dependencies_come_from_the_registry_and_need_no_openssl() {
    let lock = fs::read_to_string(repository().join("Cargo.lock")).expect("lock file");
    assert!(!lock.contains("git+"), "a dependency comes from git");
    for needed in ["name = \"openssl\"", "name = \"openssl-sys\"", "name = \"native-tls\""] {
        assert!(!lock.contains(needed), "a dependency needs openssl: {needed}");
    }
}

#[test]
fn the_visible_top_level_is_fixed() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "agent",
        "lsp",
        "extension-vscode",
        "protocol",
        "tests",
        "target",
    ];
    let problems: Vec<_> = fs::read_dir(repository())
        .expect("repository")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && !allowed.contains(&name.as_str()))
        .map(|name| format!("{name}: not part of the fixed top level"))
        .collect();
    report(&problems);
}
