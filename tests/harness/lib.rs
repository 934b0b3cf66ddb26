//! What the suites stand on: sandboxes, tree fixtures, a lossy link, the real
//! binaries.
