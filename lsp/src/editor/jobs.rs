//! What takes long is told about: a work-done progress that the user can cancel, for
//! every command that is not done within half a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lsp_types::NumberOrString;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::commands::Progress;

/// How long a command may take before it is told about.
pub const SILENT: Duration = Duration::from_millis(500);

/// The commands that run and can be cancelled, by their progress' token.
#[derive(Debug, Default)]
pub struct Jobs {
    running: Mutex<HashMap<NumberOrString, CancellationToken>>,
}

impl Jobs {
    /// Begins with one.
    pub fn begin(&self, token: NumberOrString) -> CancellationToken {
        let cancel = CancellationToken::new();
        self.locked().insert(token, cancel.clone());
        cancel
    }

    /// Ends with one.
    pub fn end(&self, token: &NumberOrString) {
        self.locked().remove(token);
    }

    /// The user has had enough of one.
    pub fn cancel(&self, token: &NumberOrString) {
        if let Some(cancel) = self.locked().get(token) {
            cancel.cancel();
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<NumberOrString, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner) // never half made
    }
}

/// Puts a status in a few words; only the last ones count.
pub struct Words(pub watch::Sender<String>);

impl Progress for Words {
    fn tell(&mut self, status: &Value) {
        self.tell_words(crate::cli::show::progress(status));
    }

    fn tell_words(&mut self, words: String) {
        let _ = self.0.send(words); // nobody reads any more
    }
}
