//! Waiting for conditions instead of sleeping: a condition that is tried again
//! until it holds, with a deadline that only a broken product meets.

use std::time::{Duration, Instant};

/// How long a condition may take before the test fails. Generous: the machine
/// is shared, and a working product is far below it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Tries `condition` until it returns something.
///
/// # Panics
/// After [`PATIENCE`], with `what` it waited for.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Lets time pass: for how long a fault lasts, never for something to have happened.
pub fn pass(duration: Duration) {
    let over = Instant::now() + duration;
    while let Some(left) = over.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left); // it may wake early
    }
}

/// [`until`] for async tests.
///
/// # Panics
/// After [`PATIENCE`], with `what` it waited for.
pub async fn until_async<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
