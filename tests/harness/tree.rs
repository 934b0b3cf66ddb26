//! Tree fixtures as text, and trees back to text, so that a test shows what it
//! means and a failure shows what differs.
//!
//! One entry a line: `src/` a directory, `src/a.py = text` a file (`\n` in the
//! text is a line end), `run.sh* = text` an executable file, `link -> target` a
//! symlink.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

/// Makes the entries of `text` below `root`.
///
/// # Panics
/// On malformed fixtures and on any error of the file system.
pub fn write(root: &Path, text: &str) {
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((path, target)) = line.split_once(" -> ") {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("parent can be made");
            symlink(target, path).expect("symlink can be made");
        } else if let Some((path, content)) = line.split_once(" = ") {
            let (path, mode) = path.strip_suffix('*').map_or((path, 0o644), |path| (path, 0o755));
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("parent can be made");
            fs::write(&path, content.replace("\\n", "\n")).expect("file can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode can be set");
        } else {
            fs::create_dir_all(root.join(line.trim_end_matches('/')))
                .expect("directory can be made");
        }
    }
}

/// The tree below `root` in the same notation, sorted, without what Towline
/// keeps for itself. A content over 60 bytes is shown as its length and hash.
///
/// # Panics
/// On any error of the file system.
pub fn read(root: &Path) -> String {
    let mut text = String::new();
    walk(root, root, &mut text);
    text
}

fn walk(root: &Path, folder: &Path, text: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("folder can be read")
        .map(|entry| entry.expect("entry can be read").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).expect("below the root");
        if name.as_os_str() == ".towline" {
            continue;
        }
        let shown = String::from_utf8_lossy(name.as_os_str().as_bytes()).into_owned();
        let meta = fs::symlink_metadata(&path).expect("entry has metadata");
        if meta.is_symlink() {
            let target = fs::read_link(&path).expect("link can be read");
            let _ = writeln!(text, "{shown} -> {}", target.display());
        } else if meta.is_dir() {
            let _ = writeln!(text, "{shown}/");
            walk(root, &path, text);
        } else if meta.is_file() {
            let content = fs::read(&path).expect("file can be read");
            let star = if meta.mode() & 0o111 == 0 { "" } else { "*" };
            let body = if content.len() > 60 {
                format!(
                    "<{} bytes, {}>",
                    content.len(),
                    blake3::hash(&content).to_hex().as_str().split_at(12).0
                )
            } else {
                String::from_utf8_lossy(&content).replace('\n', "\\n")
            };
            let _ = writeln!(text, "{shown}{star} = {body}");
        } else {
            let _ = writeln!(text, "{shown} (special)");
        }
    }
}

/// Makes `files` files of about `bytes` bytes each, 50 a folder, from `seed`.
///
/// # Panics
/// On any error of the file system.
pub fn fill(root: &Path, files: usize, bytes: usize, seed: u64) {
    let mut state = seed | 1;
    for number in 0..files {
        let folder = root.join(format!("d{:03}/e{:02}", number / 1000, number / 50 % 20));
        if number % 50 == 0 {
            fs::create_dir_all(&folder).expect("directory can be made");
        }
        let mut content = String::with_capacity(bytes + 16);
        while content.len() < bytes {
            // xorshift64, Marsaglia 2003: repeatable and good enough for filler.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let _ = writeln!(content, "let value_{:x} = {state:x};", state % 97);
        }
        fs::write(folder.join(format!("f{number}.rs")), content).expect("file can be written");
    }
}
