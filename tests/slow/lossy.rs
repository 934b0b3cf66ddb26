//! Slow suite: lossy. The end-to-end suites on a link with delay, loss and reordering.
