//! The demo's temporary directories: made with a lock in them, so that `doctor`
//! can tell a dead demo's from a living one's, and removed when dropped.

use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::runtime::try_lock;

/// What a person edits.
pub const PAGE: &str = "page.html";

/// What the names of demos' directories begin with.
pub const PREFIX: &str = "towline-demo-";

/// Held by a living demo.
pub const LOCK: &str = ".lock";

/// Small files beside the page, so that the first sync has something to show.
const NOTES: usize = 400;

const PAGE_TEXT: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Towline demo</title>
<link rel="stylesheet" href="style.css">
<h1>Hello from there</h1>
<p>This page is read at each request by a process that runs in the container:</p>
<dl>
  <dt>host <dd>{{HOSTNAME}}
  <dt>process <dd>{{pid}}
  <dt>directory <dd>{{cwd}}
  <dt>environment <dd>{{GREETING}}
</dl>
<p>Edit it here, reload, and see it there.</p>
"#;

const STYLE_TEXT: &str = "body { font: 1.1em/1.5 sans-serif; max-width: 40em; margin: 3em auto; }\n\
                          dt { font-weight: bold; }\n";

/// The demo's directories.
pub struct Sandbox {
    root: PathBuf,
    workspace: PathBuf,
    container: PathBuf,
    _lock: File,
}

impl Sandbox {
    /// Makes them, with a small project in the workspace.
    ///
    /// # Errors
    /// The file system's.
    pub fn new() -> io::Result<Self> {
        let root =
            std::env::temp_dir().canonicalize()?.join(format!("{PREFIX}{}", std::process::id()));
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        builder.create(&root)?;
        let lock = try_lock(&root.join(LOCK)).map_err(io::Error::other)?;
        let lock = lock.ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
        let sandbox = Self {
            workspace: root.join("workspace"),
            container: root.join("container"),
            root,
            _lock: lock,
        };
        builder.create(&sandbox.workspace)?;
        builder.create(&sandbox.container)?;
        std::fs::write(sandbox.workspace.join(PAGE), PAGE_TEXT)?;
        std::fs::write(sandbox.workspace.join("style.css"), STYLE_TEXT)?;
        let notes = sandbox.workspace.join("notes");
        builder.create(&notes)?;
        for number in 1..=NOTES {
            std::fs::write(
                notes.join(format!("{number:03}.txt")),
                format!("Note {number}\n").repeat(number),
            )?;
        }
        Ok(sandbox)
    }

    /// Where a person edits.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// What stands for the container.
    pub fn container(&self) -> &Path {
        &self.container
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            eprintln!("unable to remove {}: {error}", self.root.display());
        }
    }
}
