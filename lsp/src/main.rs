//! `towline`: flags to command, exit code.

fn main() {}
