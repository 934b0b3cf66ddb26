//! Datagrams by UDP.

use std::time::Duration;

use super::Queues;

/// A UDP way to the peer.
pub struct Path {}

pub(super) async fn run(_path: Path, _silence_max: Option<Duration>, _queues: &Queues) -> String {
    "not built yet".into()
}
