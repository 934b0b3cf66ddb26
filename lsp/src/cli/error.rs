//! What a command says when it fails: what was tried, why, and what to do.

use std::fmt;

use serde_json::json;

use super::flags::Global;
use crate::config::ConfigError;
use crate::hub::api::{ApiError, Failure};
use crate::runtime::RuntimeError;
use crate::status::FailureCode;

/// A failed command.
#[derive(Debug)]
pub struct CliError(pub Failure);

impl CliError {
    /// A failure without a code of its own.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Failure::new(FailureCode::Failure, message))
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self(Failure::new(FailureCode::Usage, message))
    }

    /// What was tried and an error with its causes.
    pub fn tried(tried: &str, error: &dyn std::error::Error) -> Self {
        Self::new(format!("{tried}: {}", crate::chain(error)))
    }

    /// The same with advice.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self(self.0.help(help))
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> u8 {
        match self.0.code {
            FailureCode::Failure => 1,
            FailureCode::Usage => 2,
            FailureCode::NotUp => 3,
            FailureCode::Unreachable => 4,
            FailureCode::Conflict => 5,
        }
    }

    /// Says it: to a person on standard error, to a program on standard output.
    pub fn print(&self, global: &Global) {
        let Failure { code, message, help } = &self.0;
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
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> Self {
        Self::new(crate::chain(&error))
            .help("the hub may have ended: run the command again, or `towline doctor`")
    }
}

impl From<RuntimeError> for CliError {
    fn from(error: RuntimeError) -> Self {
        let help = match &error {
            RuntimeError::Workspace { .. } => "name a directory: `--workspace DIR`",
            RuntimeError::Unsafe { .. } => {
                "make it yours alone (chmod 700), or set XDG_RUNTIME_DIR"
            }
            RuntimeError::Create { .. } | RuntimeError::File { .. } => {
                "check its rights and the space on its disk"
            }
        };
        let message = crate::chain(&error);
        let error = match error {
            RuntimeError::Workspace { .. } => Self::usage(message),
            _ => Self::new(message),
        };
        error.help(help)
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        use crate::target::TargetError;
        let message = crate::chain(&error);
        let help = error.help();
        let code = match error.cause() {
            ConfigError::Target(TargetError::Malformed { .. }) => FailureCode::Usage,
            // The line is right, what it names is not there.
            ConfigError::Target(_) => FailureCode::Unreachable,
            _ => FailureCode::Usage,
        };
        Self(Failure::new(code, message).help(help))
    }
}
