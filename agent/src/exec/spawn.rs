//! Starts processes: command or shell, directory, environment, pipes or a
//! terminal. Everything it starts carries the agent's marker.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use protocol::error::{ErrorCode, WireError};
use protocol::io::process::MARKER;
use protocol::wire::exec::Exec;
use pty_process::{OwnedReadPty, OwnedWritePty};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::tree::Tree;
use crate::context::Context;

/// Names one task of the agent there, so that a process which left its group
/// and session is still found.
pub(crate) const TASK_VAR: &str = "TOWLINE_TASK";

/// Why a program that the target may have cannot be run.
const NOT_BESIDE: &str = "no such program in the ephemeral container that the agent is in; those \
    of the container beside it cannot be run from here, as that takes the right to chroot; name \
    an image that has it with --agent-image";

/// Room in a pipe, in bytes: at the usual 64 KiB each wake-up carries little.
const PIPE_LEN: usize = 1024 * 1024;

/// A started process and its ends.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) tree: Tree,
    pub(crate) stdin: Option<Stdin>,
    pub(crate) out: Out,
    pub(crate) err: Option<ChildStderr>,
}

/// Where its input goes.
pub(crate) enum Stdin {
    Pipe(ChildStdin),
    Pty(OwnedWritePty),
}

/// Where its output comes from.
pub(crate) enum Out {
    Pipe(ChildStdout),
    Pty(OwnedReadPty),
}

/// Starts what `exec` asks for.
pub(crate) fn spawn(context: &Context, exec: &Exec) -> Result<Process, WireError> {
    let mut command = command(context, &exec.argv, exec.cwd.as_deref(), &exec.env)?;
    let task = Tree::new_task(context);
    command.env(TASK_VAR, &task);
    let program = exec.argv.first().cloned().unwrap_or_else(|| "the shell".to_owned());
    match exec.tty {
        Some(size) => {
            let terminal =
                |error| failed(context, &program, "open a terminal for", &pty_error(error));
            let (pty, pts) = pty_process::open().map_err(terminal)?;
            pty.resize(super::pty_size(size)).map_err(terminal)?;
            if !exec.env.iter().any(|(name, _)| name == "TERM") {
                command.env("TERM", "xterm-256color");
            }
            let child = pty_process::Command::from(command)
                .spawn(pts)
                .map_err(|error| failed(context, &program, "run", &pty_error(error)))?;
            let tree = Tree::of(&child, task);
            let (out, stdin) = pty.into_split();
            Ok(Process {
                child,
                tree,
                stdin: Some(Stdin::Pty(stdin)),
                out: Out::Pty(out),
                err: None,
            })
        }
        None => {
            command.stdin(Stdio::piped());
            piped(context, command, &program, task)
        }
    }
}

/// Starts `command` with its output in pipes and a process group of its own.
pub(crate) fn piped(
    context: &Context,
    mut command: Command,
    program: &str,
    task: String,
) -> Result<Process, WireError> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| failed(context, program, "run", &error))?;
    let tree = Tree::of(&child, task);
    let stdin = child.stdin.take();
    let (Some(out), err) = (child.stdout.take(), child.stderr.take()) else {
        return Err(WireError::new(ErrorCode::Other, format!("`{program}` has no output")));
    };
    if let Some(stdin) = &stdin {
        widen(stdin);
    }
    widen(&out);
    Ok(Process { child, tree, stdin: stdin.map(Stdin::Pipe), out: Out::Pipe(out), err })
}

/// The command for `argv`, or the user's shell when it is empty.
pub(crate) fn command(
    context: &Context,
    argv: &[String],
    cwd: Option<&str>,
    env: &[(String, String)],
) -> Result<Command, WireError> {
    let bad = |message: String| Err(WireError::new(ErrorCode::BadRequest, message));
    if let Some(odd) = argv.iter().find(|argument| argument.contains('\0')) {
        return bad(format!("the argument {odd:?} holds a NUL byte"));
    }
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return bad(format!("{name:?} cannot be set in an environment"));
        }
    }
    let directory = directory(context, cwd)?;
    let mut command = match argv.split_first() {
        Some((program, _)) if program.is_empty() => {
            return bad("the program's name is empty".to_owned());
        }
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        None => Command::new(shell()),
    };
    command
        .current_dir(&directory)
        .env("PWD", &directory)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .env(MARKER, &context.marker);
    Ok(command)
}

/// A missing directory would be reported as a missing program.
fn directory(context: &Context, cwd: Option<&str>) -> Result<PathBuf, WireError> {
    let named = cwd.unwrap_or("/");
    let directory = context.resolve(named);
    match std::fs::metadata(&directory) {
        Ok(meta) if meta.is_dir() => Ok(directory),
        Ok(_) => Err(WireError::new(ErrorCode::NotFound, format!("`{named}` is not a directory"))),
        Err(error) => {
            let mut wire = WireError::from(&error);
            wire.message = format!("unable to work in `{named}`: {error}");
            Err(wire)
        }
    }
}

/// `$SHELL`, the account's shell, /bin/sh: the first that exists. The account
/// is read from /etc/passwd, as a static binary cannot ask libc.
pub(crate) fn shell() -> PathBuf {
    let from_env = std::env::var_os("SHELL").map(PathBuf::from);
    let uid = rustix::process::getuid().as_raw();
    let from_account = || std::fs::read_to_string("/etc/passwd").ok().and_then(|p| of_uid(&p, uid));
    from_env
        .filter(|shell| shell.is_absolute() && shell.is_file())
        .or_else(|| from_account().filter(|shell| shell.is_file()))
        .unwrap_or_else(|| PathBuf::from("/bin/sh"))
}

fn of_uid(passwd: &str, uid: u32) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let id: u32 = fields.nth(2)?.parse().ok()?;
        let shell = fields.nth(3)?;
        (id == uid && Path::new(shell).is_absolute()).then(|| PathBuf::from(shell))
    })
}

fn failed(context: &Context, program: &str, what: &str, error: &std::io::Error) -> WireError {
    let mut wire = WireError::from(error);
    let reason = match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOENT) if context.is_beside() => NOT_BESIDE.to_owned(),
        Some(rustix::io::Errno::NOENT) => "no such program on the target".to_owned(),
        Some(rustix::io::Errno::NOEXEC) => {
            wire.code = ErrorCode::PermissionDenied; // there, but not executable
            "it is no executable of this machine".to_owned()
        }
        _ => error.to_string(),
    };
    wire.message = format!("unable to {what} `{program}`: {reason}");
    wire
}

fn pty_error(error: pty_process::Error) -> std::io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
        other => std::io::Error::other(other.to_string()),
    }
}

fn widen(pipe: &impl AsFd) {
    // Past the user's limit the kernel refuses; the pipe then works as it is.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_LEN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounts_shell_is_found_by_uid() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbad line\napp:x:1000:1000::/app:bin/sh\n\
                      web:x:1001:1001:,,,:/:/bin/zsh\n";
        let check = |uid, expected: Option<&str>| {
            assert_eq!(of_uid(passwd, uid), expected.map(PathBuf::from), "{uid}");
        };
        check(0, Some("/bin/bash"));
        check(1000, None); // not absolute
        check(1001, Some("/bin/zsh"));
        check(7, None);
    }
}
