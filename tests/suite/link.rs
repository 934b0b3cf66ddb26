//! Suite: link.
