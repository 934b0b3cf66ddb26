//! Commands about debuggers: what runs there, and how to connect to it. The session itself
//! goes over the Debug Adapter Protocol, by `towline dap`.

use serde_json::Value;

use super::arguments::{DebugWhat, Ps};
use crate::debug::processes;
use crate::face::debug;
use crate::face::error::FaceError;
use crate::runtime::Workspace;

/// The document of `towline ps --json`.
pub async fn ps(workspace: &Workspace, ps: Ps) -> Result<Value, FaceError> {
    Ok(processes::document(&debug::list(workspace, ps.all).await?))
}

/// The document of `towline debug --json`.
pub async fn hints(workspace: &Workspace, asked: DebugWhat) -> Result<Value, FaceError> {
    debug::hints(workspace, asked.process.as_deref()).await
}
