//! Looks for a text in files below a directory, a bounded step at a time and in order of
//! their paths, so that a step knows where the last one ended by one path. What is no
//! text is passed over, links are not followed, and the kernel's own files are none.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use protocol::limits::{
    SEARCH_BYTES_PER_STEP, SEARCH_FILE_LEN_MAX, SEARCH_FILES_PER_STEP, SEARCH_LINE_MAX,
    SEARCH_MATCHES_MAX,
};
use protocol::wire::files::{FilesReply, Match, Search};
use rustix::fs::OFlags;

/// A file with a zero in so many first bytes is no text.
const LOOKED_AT_LEN: usize = 8192;

/// File systems without files: proc, sysfs, both kinds of cgroups, debugfs, tracefs,
/// securityfs, bpf.
const KERNELS: [u64; 8] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
];

/// One step of a search at `root`.
///
/// # Errors
/// When there is nothing at `root`, or it cannot be read.
pub fn step(root: &Path, wanted: &Search) -> io::Result<FilesReply> {
    let metadata = fs::metadata(root)?;
    let needle = Needle::new(&wanted.text, wanted.match_case);
    let mut step = Step { needle, after: wanted.after.as_deref(), ..Step::default() };
    if metadata.is_dir() {
        fs::read_dir(root)?; // of what is below it, what cannot be read is passed over
        step.directory(root, &mut Vec::new(), metadata.dev());
    } else {
        step.file(root, &[]);
    }
    let Step { matches, files, next, .. } = step;
    Ok(FilesReply::Found { matches, files, next })
}

/// What is looked for.
#[derive(Default)]
struct Needle {
    bytes: Vec<u8>,
    match_case: bool,
}

impl Needle {
    fn new(text: &str, match_case: bool) -> Self {
        let text = if match_case { text.to_owned() } else { text.to_ascii_lowercase() };
        Self { bytes: text.into_bytes(), match_case }
    }

    /// Where it begins in a line.
    fn position(&self, line: &[u8]) -> Option<usize> {
        let same = |window: &[u8]| match self.match_case {
            true => window == self.bytes,
            false => window.eq_ignore_ascii_case(&self.bytes),
        };
        line.windows(self.bytes.len().max(1)).position(same)
    }
}

/// What a step has done so far.
#[derive(Default)]
struct Step<'a> {
    needle: Needle,
    after: Option<&'a [u8]>,
    matches: Vec<Match>,
    files: u32,
    bytes: u64,
    /// The last file that was looked at, once there is no room for another one.
    next: Option<Vec<u8>>,
}

impl Step<'_> {
    /// Looks at all below `directory`, whose path below the root is `below`.
    fn directory(&mut self, directory: &Path, below: &mut Vec<u8>, device: u64) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut names: Vec<Vec<u8>> =
            entries.flatten().map(|entry| entry.file_name().into_vec()).collect();
        names.sort();
        for name in names {
            if self.next.is_some() {
                return;
            }
            let parent = below.len();
            if parent > 0 {
                below.push(b'/');
            }
            below.extend_from_slice(&name);
            if !self.is_behind(below) {
                self.entry(&directory.join(OsStr::from_bytes(&name)), below, device);
            }
            below.truncate(parent);
        }
    }

    /// Whether everything at and below a path was looked at in an earlier step: paths are
    /// in order by their components.
    fn is_behind(&self, path: &[u8]) -> bool {
        let Some(after) = self.after else { return false };
        let inside = after.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"));
        !inside && path.split(is_slash).le(after.split(is_slash))
    }

    fn entry(&mut self, path: &Path, below: &mut Vec<u8>, device: u64) {
        let Ok(metadata) = fs::symlink_metadata(path) else { return };
        if metadata.is_dir() {
            if metadata.dev() == device || !is_kernels(path) {
                self.directory(path, below, metadata.dev());
            }
        } else if metadata.is_file() && metadata.size() <= SEARCH_FILE_LEN_MAX {
            self.file(path, below);
        }
    }

    fn file(&mut self, path: &Path, below: &[u8]) {
        self.files += 1;
        if let Ok(content) = read(path) {
            self.bytes += content.len() as u64;
            self.lines(&content, below);
        }
        let is_full = self.files >= SEARCH_FILES_PER_STEP
            || self.bytes >= SEARCH_BYTES_PER_STEP
            || self.matches.len() >= SEARCH_MATCHES_MAX;
        if is_full && !below.is_empty() {
            self.next = Some(below.to_vec());
        }
    }

    fn lines(&mut self, content: &[u8], below: &[u8]) {
        if content[..content.len().min(LOOKED_AT_LEN)].contains(&0) {
            return;
        }
        for (line, number) in content.split(|byte| *byte == b'\n').zip(1..) {
            if self.matches.len() >= SEARCH_MATCHES_MAX {
                return;
            }
            let Some(at) = self.needle.position(line) else { continue };
            let before = String::from_utf8_lossy(&line[..at]);
            self.matches.push(Match {
                path: below.to_vec(),
                line: number,
                column: u32::try_from(before.encode_utf16().count()).unwrap_or(u32::MAX),
                text: shown(line, at).to_vec(),
            });
        }
    }
}

/// The part of a line around `at` that a list shows.
fn shown(line: &[u8], at: usize) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let from = if at > SEARCH_LINE_MAX / 2 { at - SEARCH_LINE_MAX / 4 } else { 0 };
    &line[from.min(line.len())..(from + SEARCH_LINE_MAX).min(line.len())]
}

fn is_slash(byte: &u8) -> bool {
    *byte == b'/'
}

fn is_kernels(path: &Path) -> bool {
    let kind = rustix::fs::statfs(path).map(|stat| u64::try_from(stat.f_type).unwrap_or_default());
    kind.is_ok_and(|kind| KERNELS.contains(&kind))
}

/// A file's content; of one that grows meanwhile, as much as is looked at.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut content = Vec::new();
    file.take(SEARCH_FILE_LEN_MAX).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// All that a search finds, as `path:line:column:text`, and how many steps it took.
    fn all(root: &Path, text: &str, match_case: bool) -> (Vec<String>, usize) {
        let (mut found, mut after, mut steps) = (Vec::new(), None, 0);
        loop {
            let path = String::new();
            let wanted = Search { path, text: text.to_owned(), match_case, after };
            let reply = step(root, &wanted).unwrap();
            let FilesReply::Found { matches, next, .. } = reply else { panic!("{reply:?}") };
            found.extend(matches.iter().map(|hit| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{}:{}:{}:{}", text(&hit.path), hit.line, hit.column, text(&hit.text))
            }));
            steps += 1;
            after = next;
            if after.is_none() {
                return (found, steps);
            }
        }
    }

    #[test]
    fn a_text_is_found_line_by_line_and_where_an_editor_counts() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "etc/app.conf", "a\r\n𝄞é Port = 80\r\nport port\n");
        put(dir.path(), "bin/port", b"port\0");
        std::os::unix::fs::symlink("etc", dir.path().join("link")).unwrap();
        let (found, _) = all(dir.path(), "port", false);
        assert_eq!(found, ["etc/app.conf:2:4:𝄞é Port = 80", "etc/app.conf:3:0:port port"]);
        let (found, _) = all(dir.path(), "Port", true);
        assert_eq!(found, ["etc/app.conf:2:4:𝄞é Port = 80"]);
        let (found, _) = all(&dir.path().join("etc/app.conf"), "port p", true);
        assert_eq!(found, [":3:0:port port"]);
        assert!(
            step(
                &dir.path().join("gone"),
                &Search {
                    path: String::new(),
                    text: "x".to_owned(),
                    match_case: true,
                    after: None,
                }
            )
            .is_err()
        );
    }

    #[test]
    fn steps_look_at_each_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        // `a.b` is before `a/b` by bytes and behind it by components.
        for number in 0..SEARCH_FILES_PER_STEP {
            for path in [format!("d/{number:05}"), format!("d.x/{number:05}")] {
                put(dir.path(), &path, "x");
                expected.push(format!("{path}:1:0:x"));
            }
        }
        put(dir.path(), "d-", "x");
        expected.push("d-:1:0:x".to_owned());
        let (mut found, steps) = all(dir.path(), "x", true);
        assert!(steps > 2, "{steps}");
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn long_lines_are_shown_around_what_was_found() {
        let line = format!("{}needle{}", "a".repeat(1000), "b".repeat(1000));
        let part = shown(line.as_bytes(), 1000);
        assert_eq!(part.len(), SEARCH_LINE_MAX);
        assert!(String::from_utf8_lossy(part).contains("needle"));
    }

    #[test]
    fn the_kernels_files_are_none() {
        assert!(is_kernels(Path::new("/proc")));
        assert!(!is_kernels(&std::env::temp_dir()));
    }
}
