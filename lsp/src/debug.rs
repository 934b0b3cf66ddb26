//! Debuggers, as the hub has them: which process is meant ([`pick`]), where its sources are
//! here ([`map`]), what is brought to the target ([`bring`]), and the session that joins an
//! editor to the agent's adapter ([`session`]). The protocol itself is in
//! [`protocol::dap`].

pub mod bring;
pub mod hints;
pub mod jsdebug;
pub mod map;
pub mod pick;
pub mod processes;
pub mod session;
pub mod upstream;
