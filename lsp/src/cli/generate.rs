//! Completions, manual pages and schemas: what is generated from the command
//! line's own definition.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::flags::Cli;
use super::output;
use crate::face::error::FaceError;

/// Prints completions.
pub fn completions(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "towline", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
}

/// Prints the page of `towline`, or writes the pages of all commands.
///
/// # Errors
/// When a page cannot be written.
pub fn man(dir: Option<&Path>) -> Result<(), FaceError> {
    let mut command = Cli::command();
    command.build();
    let failed =
        |error: std::io::Error| FaceError::tried("unable to write the manual pages", &error);
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
        output::line(String::from_utf8_lossy(&page).trim_end());
        return Ok(());
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command, dir).map_err(failed)
}

/// Every command that is not hidden, as in `sync pause`, and what it is for.
#[cfg(test)]
pub fn verbs() -> Vec<(String, String)> {
    fn below(command: &clap::Command, before: &str, all: &mut Vec<(String, String)>) {
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = format!("{before}{}", command.get_name());
            if command.has_subcommands() {
                below(command, &format!("{name} "), all);
            } else {
                let about = command.get_about().map(ToString::to_string).unwrap_or_default();
                all.push((name, about));
            }
        }
    }
    let mut all = Vec::new();
    below(&Cli::command(), "", &mut all);
    all
}

/// Prints the JSON Schema of `towline.yaml`.
pub fn schema() {
    output::line(&format!("{:#}", crate::config::schema::config()));
}
