//! Suite: ports.
