//! The suites that take minutes: `cargo test -p tests --release --test slow`.
