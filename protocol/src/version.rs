//! The first bytes on every channel: magic and exact version. Knows nothing of
//! what follows them.
//!
//! The hub installs the agent that matches it, so the rule is equality: anything
//! else is a clear refusal that names both versions.

/// What every bootstrap channel opens with, in both directions.
pub const MAGIC: [u8; 8] = *b"TOWLINE\x01";

/// The exact version of this build, compared byte for byte.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// ALPN of the hub-agent connection.
pub const ALPN: &[u8] = b"towline/1";
