//! File systems for container images, made of what this machine has.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// What a Debian image has of what the agent's script uses, and what tests use.
const GNU_TOOLS: [&str; 16] = [
    "cat", "chmod", "env", "grep", "gzip", "head", "id", "ls", "mkdir", "mv", "rm", "rmdir",
    "sleep", "stat", "uname", "true",
];

/// The GNU tools of this machine with dash as their shell, as Debian has them, all
/// linked dynamically; and a web server, `/bin/httpd`.
///
/// # Panics
/// When one of them is missing.
pub fn gnu(root: &Path) {
    directories(root);
    program(root, "dash");
    symlink("dash", root.join("bin/sh")).expect("link");
    GNU_TOOLS.iter().for_each(|tool| program(root, tool));
    fs::copy("/bin/busybox", root.join("bin/httpd")).expect("install busybox-static");
}

/// BusyBox as shell and tools, musl as the only C library, as Alpine has them; the app,
/// `/bin/wait`, is linked to it.
///
/// # Panics
/// When there is no compiler for musl.
pub fn musl(root: &Path) {
    directories(root);
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("install busybox-static");
    for tool in ["sh", "httpd"].iter().chain(&GNU_TOOLS) {
        symlink("busybox", root.join("bin").join(tool)).expect("link");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/pause/pause.c");
    let mut compile = Command::new("musl-gcc");
    compile.args(["-Os", "-o"]).arg(root.join("bin/wait")).arg(source);
    let compiled = compile.status();
    assert!(compiled.is_ok_and(|status| status.success()), "install musl-tools");
    for loader in ["/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"] {
        let library = fs::canonicalize(loader).and_then(fs::read);
        if let Ok(library) = library {
            put(root, loader, &library);
        }
    }
}

/// Adds a program of this machine, found in PATH or named by its path, with the
/// libraries that it is linked to.
///
/// # Panics
/// When it is not there.
pub fn program(root: &Path, name: &str) {
    let found = if name.contains('/') {
        name.to_owned()
    } else {
        let places = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(|dir| format!("{dir}/{name}"));
        let found = places.iter().find(|path| Path::new(path.as_str()).exists());
        found.unwrap_or_else(|| panic!("this machine has no {name}")).clone()
    };
    let bytes = fs::read(&found).expect("the program can be read");
    let file_name = Path::new(&found).file_name().expect("a name").to_string_lossy().into_owned();
    put(root, &format!("/bin/{file_name}"), &bytes);
    let told = Command::new("ldd").arg(&found).output().expect("ldd can be started");
    for word in String::from_utf8_lossy(&told.stdout).split_whitespace() {
        if word.starts_with('/') && !root.join(&word[1..]).exists() {
            put(root, word, &fs::read(word).expect("a library can be read"));
        }
    }
}

/// What every root has.
///
/// # Panics
/// When it cannot be made.
pub fn directories(root: &Path) {
    for name in ["bin", "tmp", "app", "etc"] {
        fs::create_dir_all(root.join(name)).expect("directory");
    }
    for name in ["tmp", "app"] {
        let everyone = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(root.join(name), everyone).expect("mode");
    }
}

/// An executable file at this absolute path.
fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
    fs::write(&path, bytes).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
}
