//! Suite: bad_input.
