//! `cp`: files in or out, outside of any sync.

use alloc::string::String;
use minicbor::{Decode, Encode};

/// What to copy, and which way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Copy {
    /// Into the target at this path.
    #[n(0)]
    In(#[n(0)] String),
    /// Out of the target from this path.
    #[n(1)]
    Out(#[n(0)] String),
}
