//! The end-to-end suites that every `cargo test` runs, in one binary.

mod bad_input;
mod cli;
mod copy;
mod editor;
mod editor_commands;
mod editor_config;
mod editor_details;
mod ends;
mod exec;
mod hostile;
mod json;
mod link;
mod odd_trees;
mod ports;
mod ps;
mod search;
mod swap;
mod sync;
mod sync_driver;
mod sync_safety;
mod terminal;
mod tidy;
mod udp;
