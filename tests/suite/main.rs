//! The end-to-end suites that every `cargo test` runs, in one binary.

mod bad_input;
mod cli;
mod copy;
mod exec;
mod link;
mod ports;
mod swap;
mod sync;
mod sync_driver;
mod sync_safety;
mod tidy;
mod udp;
