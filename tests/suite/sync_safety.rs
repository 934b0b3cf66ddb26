//! Suite: sync_safety.
