//! Commands that speak with the agent itself: exec, shell, logs, cp.

use std::io::IsTerminal;

use protocol::io::connection::OpenError;

use super::flags::{self, Global};
use crate::face::client::Client;
use crate::face::error::FaceError;
use crate::face::stream::{failure, lost, open};
use crate::hub::api::Request;
use crate::remote::exec::{self, terminal};
use crate::remote::splice::opened;
use crate::runtime::Workspace;

/// Runs a command; its own status is the exit code.
///
/// # Errors
/// When it never ran.
pub async fn exec(workspace: &Workspace, exec: flags::Exec) -> Result<u8, FaceError> {
    let env = exec.env.iter().map(|text| variable(text)).collect::<Result<Vec<_>, _>>()?;
    run(workspace, exec.command, exec.cwd, env, exec.tty).await
}

/// Opens a shell.
///
/// # Errors
/// When it never ran.
pub async fn shell(workspace: &Workspace, cwd: Option<String>) -> Result<u8, FaceError> {
    // A script that is piped in wants no terminal.
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    run(workspace, Vec::new(), cwd, Vec::new(), tty).await
}

async fn run(
    workspace: &Workspace,
    argv: Vec<String>,
    cwd: Option<String>,
    mut env: Vec<(String, String)>,
    tty: bool,
) -> Result<u8, FaceError> {
    let size = if tty {
        if !terminal::is_terminal() {
            return Err(FaceError::usage("there is no terminal to pass on")
                .help("leave out --tty where input or output is not a terminal"));
        }
        if let Ok(term) = std::env::var("TERM") {
            env.push(("TERM".to_owned(), term));
        }
        terminal::window_size().map(|size| (size.rows, size.cols)).or(Some((24, 80)))
    } else {
        None
    };
    let client = Client::connect(workspace).await?;
    let (mut rx, tx) = client.raw(Request::Exec { argv, cwd, env, tty: size }).await?;
    let status = match opened(&mut rx).await {
        Ok(()) => exec::run(rx, tx, tty).await,
        Err(OpenError::Refused(error)) => {
            let status = exec::refused(&error);
            super::error::print(&failure(&error).into(), &plain());
            status
        }
        Err(error) => return Err(lost(&error)),
    };
    Ok(status.code)
}

/// Prints the app's output.
///
/// # Errors
/// When it cannot be read.
pub async fn logs(
    global: &Global,
    workspace: &Workspace,
    tail: Option<u32>,
    follow: bool,
) -> Result<(), FaceError> {
    use crate::remote::logs::{Format, PrintError, print};
    let format = if global.json { Format::Json } else { Format::Plain };
    let (rx, _tx) = open(workspace, Request::Logs { tail, follow }).await?;
    match print(rx, tokio::io::stdout(), format).await {
        Ok(()) => Ok(()),
        // `towline logs | head`: nobody reads on.
        Err(PrintError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(FaceError::tried("unable to show the app's output", &error)),
    }
}

/// A command's own output is never mixed with our JSON.
fn plain() -> Global {
    Global { workspace: None, json: false }
}

fn variable(text: &str) -> Result<(String, String), FaceError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(FaceError::usage(format!("`{text}` is no variable")).help("write NAME=VALUE")),
    }
}
