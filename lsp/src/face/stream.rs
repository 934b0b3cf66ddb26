//! Streams to the agent, through the hub.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::OpenError;

use super::client::{Client, RawStream};
use super::error::FaceError;
use crate::hub::api::{Failure, Request};
use crate::remote::splice::opened;
use crate::runtime::Workspace;
use crate::status::FailureCode;

/// Asks for a stream to the agent and waits for its yes.
///
/// # Errors
/// The hub's no, or the agent's.
pub async fn open(workspace: &Workspace, request: Request) -> Result<RawStream, FaceError> {
    let mut stream = Client::connect(workspace).await?.raw(request).await?;
    match opened(&mut stream.0).await {
        Ok(()) => Ok(stream),
        Err(OpenError::Refused(error)) => Err(failure(&error).into()),
        Err(error) => Err(lost(&error)),
    }
}

/// What the agent said, as a command says it.
pub fn failure(error: &WireError) -> Failure {
    let code = match error.code {
        ErrorCode::BadRequest => FailureCode::Usage,
        ErrorCode::Stale => FailureCode::Conflict,
        ErrorCode::Unreachable => FailureCode::Unreachable,
        ErrorCode::NotFound => FailureCode::NotFound,
        _ => FailureCode::Failure,
    };
    let failure = Failure::new(code, error.message.clone());
    match error.code {
        ErrorCode::NotFound => failure.help("names are seen from the target: see what is there"),
        ErrorCode::PermissionDenied => failure.help("the agent has the rights of its own user"),
        ErrorCode::NoSpace => failure.help("make room on the target"),
        ErrorCode::Unreachable => failure.help("look at `towline status`"),
        _ => failure,
    }
}

/// A stream that broke before the agent's answer.
pub fn lost(error: &OpenError) -> FaceError {
    FaceError(
        Failure::new(FailureCode::Unreachable, crate::chain(error))
            .help("look at `towline status`"),
    )
}
