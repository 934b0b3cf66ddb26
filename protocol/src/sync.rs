//! The pure core of file sync: values in, decisions out. No I/O, no clock.
//!
//! Two replicas, `alpha` (local) and `beta` (the target's). Each reports, per
//! path, what it sees; the [`controller`] holds per path the last content both
//! agreed on (the ancestor) and decides. An edit is applied on the other side
//! only if that side still holds what the decision was based on.

pub mod controller;
pub mod delta;
pub mod entry;
