//! The pure core of file sync: values in, decisions out. No I/O, no clock.
//!
//! Two replicas, `alpha` (local) and `beta` (the target's). Each reports, per
//! path, what it sees; the [`controller`] holds per path the last content both
//! agreed on (the ancestor) and decides. An edit is applied on the other side
//! only if that side still holds what the decision was based on.
//!
//! What the controller guarantees, whatever the order of its inputs:
//! - nothing is overwritten or deleted but by compare-and-swap against what the
//!   decision saw;
//! - a deletion is carried only when the side that shows it has shown the path
//!   before, in the very same replica, and only after the brake has judged it;
//! - of two different changes neither is touched: the path is a conflict.

pub mod ancestor;
pub mod archive;
pub mod brake;
pub mod controller;
pub mod delta;
pub mod entry;
pub mod merge;
pub mod mode;
pub mod settle;
