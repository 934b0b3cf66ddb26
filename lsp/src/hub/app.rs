//! Requests about the supervised app, and its state as the hub sees it.

use protocol::io::connection::Connection;
use protocol::wire::app::{AppCommand, AppReply, AppRequest};
use protocol::wire::exec::Exit;

use crate::config::{AppSetting, OnChange};
use crate::remote::app as remote;
use crate::status::AppState;

/// Sends one request and waits for its answer.
///
/// # Errors
/// A sentence.
pub async fn request(connection: &Connection, request: AppRequest) -> Result<AppReply, String> {
    remote::request(connection, request).await.map_err(|error| crate::chain(&error))
}

/// Runs the app, unless the same one runs.
pub async fn launch(connection: &Connection, app: &AppSetting) -> AppState {
    let command =
        AppCommand { argv: app.command.clone(), cwd: app.cwd.clone(), env: app.env.clone() };
    match request(connection, AppRequest::Launch(command)).await {
        Ok(reply) => state_of(&reply),
        Err(reason) => AppState::Failed { reason },
    }
}

/// Does what follows an edit, to its end.
///
/// # Errors
/// How it failed, in words.
pub async fn run_hook(
    connection: &Connection,
    action: &OnChange,
    cwd: Option<String>,
) -> Result<(), String> {
    let reply = match action {
        OnChange::Nothing => return Ok(()),
        OnChange::Restart => request(connection, AppRequest::Restart).await?,
        OnChange::Run(argv) => {
            let command = AppCommand { argv: argv.clone(), cwd, env: Vec::new() };
            request(connection, AppRequest::Hook(command)).await?
        }
    };
    match reply {
        AppReply::Ran(Exit::Code(0)) | AppReply::Running { .. } | AppReply::None => Ok(()),
        AppReply::Ran(exit) => Err(format!("it ended with {}", exit_text(exit))),
        AppReply::Exited { exit, .. } => {
            Err(format!("the app ended at once with {}", exit_text(exit)))
        }
    }
}

/// An agent's answer as a status shows it.
pub fn state_of(reply: &AppReply) -> AppState {
    match *reply {
        AppReply::None | AppReply::Ran(_) => AppState::Waiting,
        AppReply::Running { pid, starts } => AppState::Running { pid, starts },
        AppReply::Exited { exit, starts } => {
            let (code, signal) = match exit {
                Exit::Code(code) => (Some(code), None),
                Exit::Signal(signal) => (None, Some(signal)),
            };
            AppState::Exited { code, signal, starts }
        }
    }
}

/// `status 3`, `signal 9`.
pub fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("status {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    }
}
