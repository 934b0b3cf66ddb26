//! Ends an agent that no hub reaches. Counts live carriers and knows nothing
//! else of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Counts the carriers that live.
#[derive(Debug, Clone)]
pub struct Carriers(Arc<watch::Sender<usize>>);

/// One live carrier.
#[derive(Debug)]
pub struct Alive(Arc<watch::Sender<usize>>);

impl Default for Carriers {
    fn default() -> Self {
        Self::new()
    }
}

impl Carriers {
    /// None yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::channel(0).0))
    }

    /// One more, until the returned value is dropped.
    pub fn alive(&self) -> Alive {
        self.0.send_modify(|count| *count += 1);
        Alive(self.0.clone())
    }

    /// Cancels `shutdown` once none lived for the whole of `grace`.
    pub async fn watch(&self, grace: Duration, shutdown: CancellationToken) {
        let mut count_rx = self.0.subscribe();
        loop {
            if count_rx.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = count_rx.wait_for(|count| *count > 0) => {}
                () = tokio::time::sleep(grace) => {
                    tracing::info!(grace_s = grace.as_secs(), "no hub came back");
                    shutdown.cancel();
                    return;
                }
            }
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_grace_starts_over_with_each_carrier() {
        let (carriers, shutdown) = (Carriers::new(), CancellationToken::new());
        let grace = Duration::from_secs(900);
        let watching = tokio::spawn({
            let (carriers, shutdown) = (carriers.clone(), shutdown.clone());
            async move { carriers.watch(grace, shutdown).await }
        });
        tokio::time::sleep(grace / 2).await;
        let alive = carriers.alive();
        tokio::time::sleep(grace * 2).await;
        assert!(!shutdown.is_cancelled());
        drop(alive);
        tokio::time::sleep(grace / 2).await;
        assert!(!shutdown.is_cancelled());
        watching.await.unwrap();
        assert!(shutdown.is_cancelled());
    }
}
