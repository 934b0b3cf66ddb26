//! What a Python process needs: debugpy, found beside it or uploaded, its adapter, and the
//! line of code that makes the process connect to it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use protocol::error::{ErrorCode, WireError};
use protocol::wire::debug::OpenDebug;
use tokio::process::Command;

use super::inject;
use super::judge::{self, Facts};
use super::look::{self, seen_by};
use crate::context::Context;

/// How long an interpreter may take to say whether it has debugpy.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);

/// How long its compilation may take.
const COMPILE_PATIENCE: Duration = Duration::from_secs(20);

/// From this version on an interpreter runs code in another one by itself.
const REMOTE_EXEC: (u8, u8) = (3, 14);

/// What is to be done in the process, once the adapter waits for it.
#[derive(Debug, Clone)]
pub struct Injection {
    pid: u32,
    version: Option<(u8, u8)>,
    interpreter: PathBuf,
    /// The directory that holds debugpy, from here and as the process sees it.
    folder: PathBuf,
    seen: String,
    /// Where the process writes why it could not.
    report: PathBuf,
    report_seen: String,
}

/// Finds interpreter and debugpy for a process.
///
/// # Errors
/// `NotFound` when there is no debugpy: the hub may bring one.
pub async fn find(
    context: &Context,
    facts: &Facts,
    open: &OpenDebug,
) -> Result<Injection, WireError> {
    let interpreter = interpreter(facts)?;
    let named = open.adapter.as_deref().or(open.uploaded.as_deref()).map(PathBuf::from);
    let folder = match named {
        Some(folder) => folder,
        None => installed(&interpreter).await.ok_or_else(|| {
            WireError::new(
                ErrorCode::NotFound,
                "debugpy is not there: the process's Python has none",
            )
        })?,
    };
    if !folder.join("debugpy/adapter").is_dir() {
        let message = format!("there is no debugpy in {}", folder.display());
        return Err(WireError::new(ErrorCode::BadRequest, message));
    }
    let report = context.state_dir.join(format!("inject-{}", facts.pid));
    if folder.starts_with(&context.state_dir) {
        compile(&interpreter, &folder).await;
    }
    Ok(Injection {
        pid: facts.pid,
        version: judge::python_version(facts),
        interpreter,
        seen: seen(facts, &folder),
        folder,
        report_seen: seen(facts, &report),
        report,
    })
}

/// A path of ours as the process sees it: as it is, or by way of this agent's root where
/// the process has other mounts.
fn seen(facts: &Facts, path: &Path) -> String {
    if look::viewer().mounts == facts.mounts {
        return path.display().to_string();
    }
    format!("/proc/{}/root{}", std::process::id(), path.display())
}

/// The interpreter by the name it was called: a virtual environment is found by that.
fn interpreter(facts: &Facts) -> Result<PathBuf, WireError> {
    let exe = facts.exe.clone().unwrap_or_default();
    if look::viewer().mounts != facts.mounts {
        return Err(WireError::new(
            ErrorCode::Unsupported,
            "a debug adapter for Python runs with the Python of its process, which is in another \
             container than the agent: use --tier exec",
        ));
    }
    let called = facts.argv.first().map(String::as_str).unwrap_or_default();
    let called = match called {
        name if name.starts_with('/') => PathBuf::from(name),
        name if name.contains('/') => Path::new(&facts.cwd).join(name),
        _ => PathBuf::from(&exe),
    };
    let real = |path: &Path| seen_by(facts.pid, &path.display().to_string()).canonicalize().ok();
    let is_it = real(&called).is_some() && real(&called) == real(Path::new(&exe));
    Ok(if is_it { called } else { PathBuf::from(exe) })
}

/// The directory of the debugpy that an interpreter has.
async fn installed(interpreter: &Path) -> Option<PathBuf> {
    const CODE: &str = "import importlib.util, os.path\n\
        spec = importlib.util.find_spec('debugpy')\n\
        print(os.path.dirname(os.path.dirname(spec.origin)) if spec else '')";
    let mut command = Command::new(interpreter);
    command.args(["-c", CODE]).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LOOK_PATIENCE, command.output()).await.ok()?.ok()?;
    let folder = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}

/// Has another process compile what was uploaded: an interpreter that compiles lets nothing
/// else run, and the app's must not do it.
async fn compile(interpreter: &Path, folder: &Path) {
    let code = format!(
        "import sys\nsys.path.insert(0, {})\nimport debugpy, debugpy.server.api",
        quoted(&folder.display().to_string())
    );
    let mut command = Command::new(interpreter);
    command.args(["-c", &code]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_remove("PYTHONDONTWRITEBYTECODE").kill_on_drop(true);
    // Without it, it only takes longer.
    let _ = tokio::time::timeout(COMPILE_PATIENCE, command.status()).await;
}

impl Injection {
    /// The adapter, to be started on standard streams. It stays when its input ends, waiting
    /// for another editor, so it is to end with this agent (`PR_SET_PDEATHSIG`, SIGKILL): it
    /// holds nothing, the process goes on by itself.
    pub fn adapter(&self) -> Command {
        let code = format!(
            "import runpy, sys\n\
             try:\n\
             \x20   import ctypes\n\
             \x20   ctypes.CDLL(None).prctl(1, 9)\n\
             except Exception:\n\
             \x20   pass\n\
             sys.path.insert(0, {})\n\
             sys.argv[:] = ['debugpy.adapter']\n\
             runpy.run_module('debugpy.adapter', run_name='__main__', alter_sys=True)\n",
            quoted(&self.folder.display().to_string())
        );
        let mut command = Command::new(&self.interpreter);
        command.args(["-c", &code]);
        command
    }

    /// Makes the process connect to its adapter. Returns for how long it stood still.
    ///
    /// # Errors
    /// In words.
    pub async fn run(&self, host: &str, port: u16) -> Result<Duration, String> {
        let code = self.code(host, port);
        let _ = std::fs::remove_file(&self.report); // an earlier one's
        if self.version.is_some_and(|version| version >= REMOTE_EXEC) {
            return self.remote_exec(&code).await;
        }
        let pid = self.pid;
        // PyRun_SimpleString works in `__main__`, which is the app's.
        let code = format!("exec({}, {{'__name__': 'towline'}})", quoted(&code));
        let done = tokio::task::spawn_blocking(move || inject::run(pid, &code)).await;
        match done {
            Ok(done) => done.map_err(|error| crate::chain(&error)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What the process said when it could not.
    pub fn report(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.report).ok()?;
        let _ = std::fs::remove_file(&self.report); // the directory goes with the agent
        Some(text.trim().to_owned())
    }

    /// A thread of the process imports debugpy and connects, so that the thread which is
    /// used for this goes on at once.
    fn code(&self, host: &str, port: u16) -> String {
        let (folder, report, host) = (quoted(&self.seen), quoted(&self.report_seen), quoted(host));
        format!(
            "import threading\n\
             def attach():\n\
             \x20   import os, sys\n\
             \x20   quiet = 'PYDEVD_DISABLE_FILE_VALIDATION'\n\
             \x20   had = os.environ.get(quiet)\n\
             \x20   os.environ[quiet] = '1'\n\
             \x20   try:\n\
             \x20       sys.path.insert(0, {folder})\n\
             \x20       try:\n\
             \x20           import debugpy\n\
             \x20       finally:\n\
             \x20           sys.path.remove({folder})\n\
             \x20       debugpy.connect(({host}, {port}))\n\
             \x20   except BaseException as error:\n\
             \x20       with open({report}, 'w') as file:\n\
             \x20           file.write(repr(error))\n\
             \x20   finally:\n\
             \x20       if had is None:\n\
             \x20           os.environ.pop(quiet, None)\n\
             threading.Thread(target=attach, name='towline', daemon=True).start()\n"
        )
    }

    async fn remote_exec(&self, code: &str) -> Result<Duration, String> {
        let script = self.report.with_extension("py");
        let write = std::fs::write(&script, code);
        write.map_err(|error| format!("unable to write the script that it runs: {error}"))?;
        let seen = format!("{}.py", self.report_seen);
        let call = format!("import sys; sys.remote_exec({}, {})", self.pid, quoted(&seen));
        let mut command = Command::new(&self.interpreter);
        command.args(["-I", "-S", "-c", &call]).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LOOK_PATIENCE, command.output()).await;
        match output {
            Ok(Ok(output)) if output.status.success() => Ok(Duration::ZERO),
            Ok(Ok(output)) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("sys.remote_exec takes too long".to_owned()),
        }
    }
}

/// As a literal of Python's.
fn quoted(text: &str) -> String {
    let mut literal = String::from("'");
    for character in text.chars() {
        match character {
            '\'' | '\\' => {
                literal.push('\\');
                literal.push(character);
            }
            '\n' => literal.push_str("\\n"),
            ' '..='~' => literal.push(character),
            other => literal.push_str(&format!("\\U{:08x}", u32::from(other))),
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_literals() {
        assert_eq!(quoted("a'b\\c\nd é"), r"'a\'b\\c\nd \U000000e9'");
    }
}
