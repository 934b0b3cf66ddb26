//! What every face shares: the way to the hub and through it to the agent, and how a
//! failure is put. Prints nothing.

pub mod client;
pub mod debug;
pub mod error;
pub mod stream;
pub mod workloads;
