//! The shell both ends share: streams, frames, files. It does what the pure
//! modules decide and imports them, never the reverse.

pub mod connection;
pub mod copy;
pub mod framed;
pub mod pump;
pub mod replica;
