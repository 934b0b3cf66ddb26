//! `towline-agent`: arguments, tracing, signals, exit code.

fn main() {}
