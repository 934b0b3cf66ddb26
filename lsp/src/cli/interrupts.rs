//! What asks a process to end: Ctrl-C, SIGTERM, a terminal that closes.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::face::error::FaceError;

/// Hears them from its making on, also while nobody waits for the next.
pub struct Interrupts([Signal; 3]);

impl Interrupts {
    /// Begins to hear.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new() -> Result<Self, FaceError> {
        let listen = |kind| {
            signal(kind).map_err(|error| FaceError::tried("unable to listen to signals", &error))
        };
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    /// Returns at the next one.
    pub async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
