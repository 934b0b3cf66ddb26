//! Suite: sync.
