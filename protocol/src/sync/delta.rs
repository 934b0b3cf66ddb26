//! Rolling-hash signatures and deltas (the rsync algorithm, Tridgell 1999).
