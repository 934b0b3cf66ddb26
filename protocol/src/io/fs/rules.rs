//! Which paths are none of the sync's business: configured patterns, `.git` and
//! the tree's own `.gitignore` files. Reads no disk: rule files come as text.
//!
//! What decides, first match first: patterns to include, configured patterns to
//! ignore, `.git`, then the `.gitignore` files from the path's own directory up.
//! As with git, nothing below an ignored directory can be included again.
//!
//! Each side evaluates its own tree's rule files. They are synced like any other
//! file, so both soon agree; until then a path that one side ignores is reported
//! by it as ignored, never as gone, and nothing is carried for it either way.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::index::Index;
use super::store::{OWN_PREFIX, STORE_NAME};
use crate::path::RelPath;

/// The name of rule files.
pub const RULES_NAME: &[u8] = b".gitignore";

/// The configured rules.
pub struct Rules {
    ignore: Gitignore,
    include: Gitignore,
    /// Whether the tree's own rule files are obeyed.
    pub evaluate: bool,
}

impl Rules {
    /// From patterns in gitignore syntax.
    ///
    /// # Errors
    /// Names the pattern that is none.
    pub fn new(ignore: &[String], include: &[String], evaluate: bool) -> Result<Self, String> {
        Ok(Self { ignore: strict(ignore)?, include: strict(include)?, evaluate })
    }

    /// Whether `path` is none of the sync's business.
    pub fn ignores(&self, index: &Index, path: &RelPath, is_directory: bool) -> bool {
        let as_path = Path::new(OsStr::from_bytes(path.as_bytes()));
        if self.include.matched(as_path, is_directory).is_ignore() {
            return false;
        }
        match self.ignore.matched(as_path, is_directory) {
            Match::Ignore(_) => return true,
            Match::Whitelist(_) => return false,
            Match::None => {}
        }
        if path.name() == b".git" {
            return true;
        }
        if !self.evaluate {
            return false;
        }
        let mut directory = path.parent();
        while let Some(at) = directory {
            if let Some(rules) = index.dir(&at).and_then(|dir| dir.rules.as_ref()) {
                let below = if at.is_root() {
                    path.as_bytes()
                } else {
                    &path.as_bytes()[at.as_bytes().len() + 1..]
                };
                match rules.matched(Path::new(OsStr::from_bytes(below)), is_directory) {
                    Match::Ignore(_) => return true,
                    Match::Whitelist(_) => return false,
                    Match::None => {}
                }
            }
            directory = at.parent();
        }
        false
    }
}

/// Whether a name is Towline's own and never shown to anybody: a store, a temporary
/// file, an agent's directory in a mount that is synced.
pub fn is_own(name: &[u8]) -> bool {
    name == STORE_NAME || name.starts_with(OWN_PREFIX)
}

/// A directory's rule file. Lines that are no pattern are skipped, as git does.
pub fn parse(text: &[u8]) -> Option<Arc<Gitignore>> {
    let mut builder = GitignoreBuilder::new("");
    for line in text.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let _ = builder.add_line(None, line.trim_end_matches('\r'));
    }
    builder.build().ok().filter(|rules| !rules.is_empty()).map(Arc::new)
}

fn strict(patterns: &[String]) -> Result<Gitignore, String> {
    let mut builder = GitignoreBuilder::new("");
    for pattern in patterns {
        builder
            .add_line(None, pattern)
            .map_err(|error| format!("`{pattern}` is no ignore pattern: {error}"))?;
    }
    builder.build().map_err(|error| format!("unable to combine the ignore patterns: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::index::{Known, Stamp, What};
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    /// Rule files as `(directory, text)`; paths with a trailing slash are
    /// directories.
    #[track_caller]
    fn check(ignore: &[&str], include: &[&str], files: &[(&str, &str)], at: &str, expected: bool) {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rules = Rules::new(&owned(ignore), &owned(include), true).unwrap();
        let mut index = Index::default();
        for (directory, text) in files {
            let directory = path(directory);
            let mut at = RelPath::root();
            for name in directory.names() {
                at = at.join(name).unwrap();
                let what = What::Directory(0o755);
                index.insert(&at, Known { stamp: Stamp::default(), racy: false, what });
            }
            index.dir_mut(&directory).unwrap().rules = parse(text.as_bytes());
        }
        let directory = at.ends_with('/');
        let ignored = rules.ignores(&index, &path(at.trim_end_matches('/')), directory);
        assert_eq!(ignored, expected, "{at}");
    }

    #[test]
    fn rules_decide_in_order() {
        check(&[], &[], &[], "src/main.rs", false);
        check(&[], &[], &[], ".git/", true);
        check(&[], &[], &[], "vendor/lib/.git/", true);
        check(&[], &[".git"], &[], ".git/", false);
        check(&["*.log"], &[], &[], "a/b.log", true);
        check(&["*.log"], &["keep.log"], &[], "keep.log", false);
        check(&["/dist"], &[], &[], "dist/", true);
        check(&["/dist"], &[], &[], "web/dist/", false);
        check(&[], &[], &[("", "target/\n")], "target/", true);
        check(&[], &[], &[("", "target/\n")], "target", false);
        check(&[], &[], &[("", "*.o\r\n")], "deep/down/a.o", true);
        check(&[], &[], &[("", "*.o\n"), ("deep", "!a.o\n")], "deep/a.o", false);
        check(&[], &[], &[("", "*.o\n"), ("deep", "!a.o\n")], "deep/b.o", true);
        check(&[], &[], &[("web", "/dist\n")], "web/dist/", true);
        check(&[], &[], &[("web", "/dist\n")], "dist/", false);
        check(&[], &[], &[("web", "a/b\n")], "web/a/b", true);
        check(&[], &[], &[("", "# note\n\n")], "# note", false);
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_by_name() {
        let error = Rules::new(&["a[".to_owned()], &[], true).err();
        assert!(error.is_none_or(|error| error.contains("a[")));
    }
}
