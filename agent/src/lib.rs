//! The agent: sits beside the app and serves whichever hub holds its key. It has
//! no Kubernetes access, writes nothing outside its own state directory and the
//! roots a hub opens, and never outlives its grace time without a hub.

pub mod accept;
pub mod args;
pub mod beside;
pub mod bootstrap;
pub mod context;
pub mod idle;
mod null;
pub mod router;
pub mod serve;
pub mod state_dir;

pub mod app;
pub mod control;
pub mod copy;
pub mod debug;
mod dns;
mod door;
pub mod exec;
pub mod files;
pub mod ports;
pub mod resolve;
pub mod sync;

/// An error and what caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
