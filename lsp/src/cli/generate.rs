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

/// Prints the JSON Schema of `towline.yaml`.
pub fn schema() {
    output::line(&format!("{:#}", crate::config::schema::config()));
}
