//! What both ends of Towline agree on.
//!
//! Without features the crate is pure: `no_std` with alloc, no clock, no file,
//! no socket. Everything that *decides* lives there. The feature `io` adds
//! [`io`], the shell that the hub and the agent share; `io` may import anything
//! above it, never the reverse.
//!
//! A change to anything under [`wire`] changes what the two ends say to each
//! other. Tags and field numbers are never reused; hub and agent always run the
//! very same [`version`], so a change needs no negotiation, only new numbers.
#![cfg_attr(not(feature = "io"), no_std)]

extern crate alloc;

pub mod error;
pub mod limits;
pub mod link;
pub mod path;
pub mod sync;
pub mod version;
pub mod wire;

// Pure as well, but its messages are JSON, and the library for that is built with std here.
#[cfg(feature = "io")]
pub mod dap;
#[cfg(feature = "io")]
pub mod io;
