//! Suite: swap.
