//! The command line: parse, dispatch, print.

mod cluster;
mod copy;
mod debug;
mod error;
pub mod flags;
mod generate;
mod hub;
mod image;
pub mod interrupts;
pub mod output;
mod remote;
pub mod show;
mod simple;
pub mod up;

#[cfg(test)]
pub use generate::verbs;

use std::process::ExitCode;

use clap::Parser;
use flags::{Cli, Command};

use crate::face::error::FaceError;
use crate::runtime::{Dirs, Workspace};

/// Runs one command line; the exit code is documented in `towline --help`.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => {
            // Asked-for help is no failure.
            let wrong = refused.use_stderr();
            // Nothing was parsed, but a program reads no prose.
            if wrong && std::env::args_os().take_while(|a| a != "--").any(|a| a == "--json") {
                let text = refused.to_string();
                let (message, help) = text.split_once("\n\n").unwrap_or((&text, ""));
                let message = message.strip_prefix("error: ").unwrap_or(message);
                let global = flags::Global { workspace: None, json: true };
                error::print(&FaceError::usage(message).help(help.trim()), &global);
            } else {
                let _ = refused.print(); // nobody looks
            }
            return ExitCode::from(if wrong { 2 } else { 0 });
        }
    };
    let global = cli.global.clone();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2) // a hub waits most of the time
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            error::print(&FaceError::tried("unable to start", &error), &global);
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(dispatch(cli));
    // A read of standard input cannot be cancelled and must not be waited for.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error::print(&error, &global);
            ExitCode::from(error::exit_code(&error))
        }
    }
}

async fn dispatch(cli: Cli) -> Result<u8, FaceError> {
    let global = cli.global;
    match cli.command {
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { dir } => generate::man(dir.as_deref())?,
        Command::Schema => generate::schema(),
        Command::Lsp => return crate::editor::serve(global.workspace).await,
        Command::Hub => hub::hub(&workspace(&global)?).await?,
        Command::Up(up) => {
            up::up(&global, &workspace(&global)?, &cwd()?, up).await?;
        }
        Command::List(list) => cluster::list(&global, list).await?,
        Command::Rbac(rbac) => cluster::rbac(rbac),
        Command::AgentImage(image) => image::write(&global, &image)?,
        Command::Down => up::down(&global, &workspace(&global)?).await?,
        Command::Status { watch } => {
            simple::status(&global, &workspace(&global)?, watch).await?;
        }
        Command::Forward(forward) => {
            simple::forward(&global, &workspace(&global)?, forward).await?;
        }
        Command::Restart => simple::restart(&global, &workspace(&global)?).await?,
        Command::Sync(command) => simple::sync(&global, &workspace(&global)?, command).await?,
        Command::Exec(exec) => return remote::exec(&workspace(&global)?, exec).await,
        Command::Shell { cwd } => return remote::shell(&workspace(&global)?, cwd).await,
        Command::Cp { from, to } => {
            return copy::cp(&global, &workspace(&global)?, &from, &to).await;
        }
        Command::Ps { all } => debug::ps(&global, &workspace(&global)?, all).await?,
        Command::Debug { process, how } => {
            debug::tell(&global, &workspace(&global)?, process, &how).await?;
        }
        Command::Dap(dap) => return debug::dap(&global, &workspace(&global)?, dap).await,
        Command::Logs { follow, tail } => {
            remote::logs(&global, &workspace(&global)?, tail, follow).await?;
        }
        Command::Doctor { fix } => {
            let well = tokio::task::block_in_place(|| crate::doctor::run(&global, fix))?;
            return Ok(u8::from(!well));
        }
        Command::Demo(demo) => crate::demo::run(&global, &demo).await?,
        Command::DemoApp { port } => crate::demo::app::serve(port).await?,
    }
    Ok(0)
}

/// The workspace a command means: chosen, or the nearest directory from here up
/// that holds a `towline.yaml` or is up.
fn workspace(global: &flags::Global) -> Result<Workspace, FaceError> {
    let dirs = Dirs::of_user()?;
    let is_root = |workspace: &Workspace| {
        workspace.has_config() || workspace.settings().exists() || workspace.socket().exists()
    };
    Ok(Workspace::find(&dirs, global.workspace.as_deref(), &cwd()?, is_root)?)
}

fn cwd() -> Result<std::path::PathBuf, FaceError> {
    std::env::current_dir()
        .map_err(|error| FaceError::tried("unable to find the current directory", &error))
}
