//! What the next hub of this workspace needs to go on: a small file, replaced
//! atomically.

use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::runtime::{RuntimeError, Workspace, write_atomic};

/// Raised when the file's meaning changes.
const SCHEMA: u32 = 1;

/// What is wanted, and what faces changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persisted {
    schema: u32,
    /// For people and `doctor`: which workspace this is.
    pub workspace: String,
    /// As `up` was asked.
    pub settings: Settings,
    /// Forwards opened since.
    pub added: Vec<String>,
    /// Forwards closed since.
    pub removed: Vec<String>,
}

/// Why the file was of no use.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// It could not be read or written.
    #[error(transparent)]
    File(#[from] RuntimeError),
    /// It holds something else.
    #[error("{path} does not hold settings that this version understands")]
    Malformed {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Persisted {
    /// What is wanted in `workspace`.
    pub fn new(
        workspace: String,
        settings: Settings,
        added: Vec<String>,
        removed: Vec<String>,
    ) -> Self {
        Self { schema: SCHEMA, workspace, settings, added, removed }
    }
}

/// Reads the file; `None` when nothing is wanted.
///
/// # Errors
/// See [`PersistError`].
pub fn load(workspace: &Workspace) -> Result<Option<Persisted>, PersistError> {
    let path = workspace.settings();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RuntimeError::File { path, source }.into()),
    };
    let malformed = |source| PersistError::Malformed { path: path.display().to_string(), source };
    let persisted: Persisted = serde_json::from_slice(&text).map_err(malformed)?;
    if persisted.schema == SCHEMA {
        Ok(Some(persisted))
    } else {
        Err(malformed(serde::de::Error::custom(format!("its schema is {}", persisted.schema))))
    }
}

/// Replaces the file.
///
/// # Errors
/// See [`PersistError`].
pub fn store(workspace: &Workspace, persisted: &Persisted) -> Result<(), PersistError> {
    let path = workspace.settings();
    let text = serde_json::to_vec_pretty(persisted)
        .map_err(|source| PersistError::Malformed { path: path.display().to_string(), source })?;
    Ok(write_atomic(&path, &text)?)
}

/// Removes what the workspace keeps on this machine.
pub fn remove(workspace: &Workspace) {
    let _ = std::fs::remove_file(workspace.settings()); // missing is what we want
}
