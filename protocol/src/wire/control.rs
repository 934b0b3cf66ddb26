//! The control stream: one per connection, requests from the hub, answers from
//! the agent in the same order.

use minicbor::{Decode, Encode};

/// Opens the control stream.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OpenControl {}

/// From the hub.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Request {
    /// Answered by [`Reply::Pong`] with the same number.
    #[n(0)]
    Ping(#[n(0)] u64),
    /// The hub is done with this agent: end what it started, remove what it
    /// wrote, exit. Answered by [`Reply::Bye`] once everything else is gone.
    #[n(1)]
    Shutdown,
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Reply {
    /// Answers [`Request::Ping`].
    #[n(0)]
    Pong(#[n(0)] u64),
    /// Answers [`Request::Shutdown`].
    #[n(1)]
    Bye,
}
