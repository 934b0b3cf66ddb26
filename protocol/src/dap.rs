//! The Debug Adapter Protocol without a socket: bytes in, messages out and back
//! ([`codec`]), paths of the target and of this machine ([`paths`]), where messages carry
//! them ([`places`]), the proxy between an editor and an adapter ([`proxy`]), and what has
//! to be said to an adapter so that it lets go of its process ([`guard`]). All of it is
//! pure: events in, effects out.

pub mod codec;
pub mod guard;
pub mod message;
pub mod paths;
pub mod places;
pub mod proxy;

#[cfg(test)]
mod sim;
