//! The local server: one hub per workspace, and the faces that users touch.
//!
//! Directions: `cli` → `hub` → {`sync`, `ports`, `app`} → `link` → `carrier`.
//! Features see a [`protocol::io::connection::Connection`] and never what
//! carries it.

pub mod carrier;
pub mod link;
pub mod ports;
pub mod remote;
pub mod sync;

pub mod cli;
pub mod config;
pub mod hub;
