//! What goes over the link. Types here exist only on the wire: both ends
//! convert them by hand at their edge.
//!
//! Every stream opens with one [`stream::Open`] frame from the side that opened
//! it, answered by one [`stream::Opened`] frame; what follows is the feature's
//! own and is described in its module. Frames are a `u32` big-endian length and
//! a CBOR body with numbered fields.

pub mod app;
pub mod control;
pub mod copy;
pub mod debug;
pub mod exec;
pub mod files;
pub mod hello;
pub mod port;
pub mod stream;
pub mod sync;

#[cfg(test)]
mod debug_golden;
#[cfg(test)]
mod services_golden;
