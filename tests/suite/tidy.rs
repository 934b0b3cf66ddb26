//! Suite: tidy.
