//! The local server: one hub per workspace, and the faces that users touch.
//!
//! Directions: {`cli`, `editor`} → `face` → `hub` → {`sync`, `ports`, `app`} → `link` → `carrier`.
//! Features see a [`protocol::io::connection::Connection`] and never what
//! carries it.

pub mod carrier;
pub mod cluster;
pub mod debug;
pub mod link;
pub mod ports;
pub mod remote;
pub mod sync;

pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod documents;
pub mod editor;
pub mod face;
pub mod hub;
pub mod runtime;
pub mod status;
pub mod target;

#[cfg(test)]
mod generated;

/// An error and what caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // A transparent layer says what the one below it says.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
