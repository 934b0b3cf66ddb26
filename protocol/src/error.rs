//! Errors that cross the wire: a numbered code for programs, a sentence for
//! people. Knows nothing of what failed.

use alloc::string::String;
use minicbor::{Decode, Encode};

/// What went wrong on the other end, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    /// What a program decides on.
    #[n(0)]
    pub code: ErrorCode,
    /// A lower-case fragment that says what was tried and why it failed.
    #[n(1)]
    pub message: String,
}

impl WireError {
    /// An error with `code`, described by `message`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The registry of codes. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ErrorCode {
    /// Anything without a code of its own.
    #[n(0)]
    Other,
    /// The request could not be understood or breaks a limit.
    #[n(1)]
    BadRequest,
    /// No such file, process or name.
    #[n(2)]
    NotFound,
    /// The operating system refused the right.
    #[n(3)]
    PermissionDenied,
    /// The far side refused the connection.
    #[n(4)]
    ConnectionRefused,
    /// The name did not resolve.
    #[n(5)]
    NameNotResolved,
    /// It took longer than it may.
    #[n(6)]
    TimedOut,
    /// No space or no quota left.
    #[n(7)]
    NoSpace,
    /// The state it was based on is not the state any more.
    #[n(8)]
    Stale,
    /// This end does not offer that.
    #[n(9)]
    Unsupported,
    /// The file system is read-only.
    #[n(10)]
    ReadOnly,
    /// Network or host unreachable.
    #[n(11)]
    Unreachable,
}

#[cfg(feature = "io")]
impl From<&std::io::Error> for WireError {
    fn from(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let code = match error.kind() {
            Kind::NotFound => ErrorCode::NotFound,
            Kind::PermissionDenied => ErrorCode::PermissionDenied,
            Kind::ConnectionRefused => ErrorCode::ConnectionRefused,
            Kind::TimedOut => ErrorCode::TimedOut,
            Kind::StorageFull | Kind::QuotaExceeded => ErrorCode::NoSpace,
            Kind::ReadOnlyFilesystem => ErrorCode::ReadOnly,
            Kind::NetworkUnreachable | Kind::HostUnreachable => ErrorCode::Unreachable,
            Kind::Unsupported => ErrorCode::Unsupported,
            _ => ErrorCode::Other,
        };
        Self::new(code, alloc::format!("{error}"))
    }
}
