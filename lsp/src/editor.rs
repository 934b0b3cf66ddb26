//! The editor's face: a language server on standard input and output that joins the
//! workspace's hub. It holds no truth of its own; what it shows is the hub's one
//! status, and everything it does, the command line can do.
//!
//! `server` speaks the protocol and only converts; `session` owns what the editor has
//! open and what is known of the workspace; `watch` follows the hub; `commands` does what
//! is asked for. The rest is pure: documents and facts in, diagnostics, actions, lenses
//! and completions out.

mod actions;
pub mod commands;
mod diagnostics;
mod documents;
mod facts;
mod hosts;
mod jobs;
mod leads;
mod lenses;
mod live;
mod manifest;
mod objects;
mod problems;
mod references;
mod server;
pub mod session;
mod watch;
mod words;

pub use commands::NAMES as COMMANDS;
pub use server::serve;
