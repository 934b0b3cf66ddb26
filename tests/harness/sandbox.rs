//! A world of its own for one test: home, runtime, workspace and "container"
//! directories, and `towline` run in it. What a test leaves running is killed
//! when the sandbox goes; whether the product itself left something is asked
//! with [`Sandbox::leftovers`].

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::bins::bins;

/// One test's world.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    /// An empty one.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("tl-").tempdir().expect("temp dir can be made");
        for name in ["home", "run", "ws", "there"] {
            fs::create_dir(folder.path().join(name)).expect("directory can be made");
        }
        fs::set_permissions(folder.path().join("run"), fs::Permissions::from_mode(0o700))
            .expect("mode can be set");
        Self { folder }
    }

    /// Its top.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The workspace.
    pub fn workspace(&self) -> PathBuf {
        self.path().join("ws")
    }

    /// The directory that stands for the container.
    pub fn there(&self) -> PathBuf {
        self.path().join("there")
    }

    /// `towline ARGS` in the workspace, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&bins().towline);
        command
            .args(args)
            .current_dir(self.workspace())
            .env_remove("TOWLINE_LOG")
            .env("HOME", self.path().join("home"))
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("XDG_STATE_HOME", self.path().join("home/state"))
            .env("XDG_CONFIG_HOME", self.path().join("home/config"))
            .env("XDG_CACHE_HOME", self.path().join("home/cache"))
            .env("TMPDIR", self.path().join("home"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs `towline ARGS` to its end, whatever it is.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("towline can be started")
    }

    /// Runs `towline ARGS`, which has to succeed, and returns what it printed.
    ///
    /// # Panics
    /// When it fails: with command, tree and everything it printed.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "towline {} in {} ended with {}\n--- stdout\n{stdout}\n--- stderr\n{}\n--- hub log\n{}",
            args.join(" "),
            self.workspace().display(),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.logs(),
        );
        stdout
    }

    /// `towline status --json`, which has to succeed.
    ///
    /// # Panics
    /// When it fails or prints something else.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.run(&["status", "--json"])).expect("status is JSON")
    }

    /// Waits for the end of every process; then nothing of ours may be in the
    /// runtime, state and temporary directories and in both trees.
    ///
    /// # Panics
    /// When something is left.
    pub fn assert_nothing_left(&self) {
        crate::wait::until("every process to be gone", || {
            self.leftovers().is_empty().then_some(())
        });
        let mut left = Vec::new();
        list(&self.path().join("run"), &mut left);
        list(&self.path().join("home"), &mut left);
        // Where a user's files and sockets are; they stay, empty.
        let places = ["run/towline", "home/state", "home/state/towline"];
        left.retain(|path| !places.iter().any(|place| *path == self.path().join(place)));
        let stores = [self.workspace(), self.there().join("app")].map(|root| root.join(".towline"));
        left.extend(stores.into_iter().filter(|store| store.exists()));
        assert!(left.is_empty(), "left behind: {left:#?}");
    }

    /// Every log below the sandbox, for a failing test's message.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        collect_logs(&self.path().join("home"), &mut text);
        collect_logs(&self.path().join("run"), &mut text);
        text
    }

    /// Processes that still belong to this sandbox: by environment or working
    /// directory.
    pub fn leftovers(&self) -> Vec<(i32, String)> {
        let marker = self.path().as_os_str().as_encoded_bytes();
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| *pid != rustix::process::getpid().as_raw_nonzero().get())
            .filter(|pid| {
                let belongs = |file: &str| {
                    fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| {
                        bytes.windows(marker.len()).any(|window| window == marker)
                    })
                };
                belongs("environ") || belongs("cmdline")
            })
            .map(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                (pid, String::from_utf8_lossy(&line).replace('\0', " "))
            })
            .filter(|(_, line)| !line.is_empty()) // zombies of others have no command line
            .collect()
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for (pid, _) in self.leftovers() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), found);
        }
        found.push(entry.path());
    }
}

fn collect_logs(folder: &Path, text: &mut String) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect_logs(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            text.push_str(&format!(
                "=== {}\n{}\n",
                path.display(),
                fs::read_to_string(&path).unwrap_or_default()
            ));
        }
    }
}
