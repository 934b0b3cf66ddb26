//! The shell both ends share: streams, frames, files. It does what the pure
//! modules decide and imports them, never the reverse.

pub mod carrier;
pub mod congestion;
pub mod connection;
pub mod copy;
pub mod framed;
pub mod fs;
pub mod hello;
pub mod identity;
pub mod process;
pub mod pump;
pub mod quic;
pub mod replica;
pub mod unix;

/// BLAKE3 of `bytes`, in hex.
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Fills `bytes` from the system's generator.
///
/// # Errors
/// When the system has none.
pub fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(std::io::Error::other)
}
