//! How a failure is told at the command line: words for people, JSON for programs, an
//! exit code for both.

use serde_json::json;

use super::flags::Global;
use crate::face::error::FaceError;
use crate::hub::api::Failure;
use crate::status::FailureCode;

/// The documented exit code.
pub fn exit_code(error: &FaceError) -> u8 {
    match error.0.code {
        FailureCode::Failure | FailureCode::NotFound => 1,
        FailureCode::Usage => 2,
        FailureCode::NotUp => 3,
        FailureCode::Unreachable => 4,
        FailureCode::Conflict => 5,
    }
}

/// Says it: to a person on standard error, to a program on standard output.
pub fn print(error: &FaceError, global: &Global) {
    let Failure { code, message, help } = &error.0;
    if global.json {
        let error = json!({ "code": code, "message": message, "help": help });
        super::output::json_line(&json!({ "schema": 1, "error": error }));
        return;
    }
    eprintln!("{} {message}", super::output::stderr_style("error:", "1;31"));
    if let Some(help) = help {
        eprintln!("{} {help}", super::output::stderr_style("help:", "1;36"));
    }
}
