//! The shell both ends share: streams, frames, files. It does what the pure
//! modules decide and imports them, never the reverse.

pub mod connection;
pub mod framed;
pub mod fs;
pub mod replica;
