//! The pods of a workload beside the one that its link goes to.

use std::sync::Arc;

use tokio::sync::watch;

use super::pick::{self, Place};
use super::pods::Pods;

/// Tells of them.
pub struct Others {
    pods: Arc<Pods>,
    /// link --its own place--> here
    first_rx: watch::Receiver<Option<Place>>,
    told: Option<Vec<Place>>,
}

impl Others {
    /// Beside the one that `first_rx` names.
    pub(super) fn new(pods: Arc<Pods>, first_rx: watch::Receiver<Option<Place>>) -> Self {
        Self { pods, first_rx, told: None }
    }

    /// All of them, once they are not what was told before. Never, when there is no
    /// link any more.
    pub async fn next(&mut self) -> Vec<Place> {
        loop {
            let first = match self.first_rx.wait_for(Option::is_some).await {
                Ok(first) => first.clone(),
                Err(_) => None,
            };
            let Some(first) = first else { return std::future::pending().await };
            let told = self.told.clone();
            let changed = self.pods.until(|pods, _| {
                let others = pick::others(&self.pods.workload, pods, &first);
                (told.as_ref() != Some(&others)).then_some(others)
            });
            tokio::select! {
                others = changed => {
                    self.told = Some(others.clone());
                    return others;
                }
                Ok(()) = self.first_rx.changed() => {}
            }
        }
    }
}
