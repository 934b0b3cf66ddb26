//! What the suites stand on: the real binaries, sandboxes, tree fixtures, a
//! network between namespaces. Knows nothing of any single feature.

pub mod bins;
pub mod cluster;
pub mod dap;
pub mod debuggee;
pub mod editor;
pub mod net;
pub mod rootfs;
pub mod sandbox;
pub mod terminal;
pub mod tree;
pub mod wait;
pub mod wire;
