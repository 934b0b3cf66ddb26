//! What a face says when something fails: what was tried, why, and what to do.

use std::fmt;

use crate::config::ConfigError;
use crate::hub::api::{ApiError, Failure};
use crate::runtime::RuntimeError;
use crate::status::FailureCode;

/// A failed command or request.
#[derive(Debug)]
pub struct FaceError(pub Failure);

impl FaceError {
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
}

impl fmt::Display for FaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl From<Failure> for FaceError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<ApiError> for FaceError {
    fn from(error: ApiError) -> Self {
        Self::new(crate::chain(&error))
            .help("the hub may have ended: run the command again, or `towline doctor`")
    }
}

impl From<RuntimeError> for FaceError {
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

impl From<ConfigError> for FaceError {
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
