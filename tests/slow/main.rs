//! The suites that take minutes: `cargo test --workspace --release --test slow`.

mod chaos;
mod editor;
mod empty_root;
mod kills;
mod lossy;
mod random;
mod swap;
