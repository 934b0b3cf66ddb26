//! Messages between a hub's sync and the replica that the agent serves.

use alloc::string::String;
use minicbor::{Decode, Encode};

/// Opens a replica.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenReplica {
    /// Names this sync on this connection; the hub chooses it.
    #[n(0)]
    pub sync: u32,
    /// The root as the target names it.
    #[n(1)]
    pub root: String,
}

/// Opens a batch of edits.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenApply {
    /// Which replica.
    #[n(0)]
    pub sync: u32,
}

/// Opens a batch of bodies.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenFetch {
    /// Which replica.
    #[n(0)]
    pub sync: u32,
}
