//! Serves replicas: the remote trees of a hub's syncs. A replica lives on while
//! the hub's connection is replaced; a new sync stream takes its observations
//! over, from a scan that reads no file twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::{Channel, ChannelTx};
use protocol::io::framed::{self, FrameError};
use protocol::io::fs::{LocalConfig, LocalReplica, StorePlace};
use protocol::io::replica::{Edit, Fetched, Replica, ReplicaError};
use protocol::limits::{
    OBSERVATION_FRAME_LEN, OBSERVATIONS_PER_FRAME, OBSERVATIONS_QUEUED_MAX, REPLICAS_MAX,
};
use protocol::sync::entry::Observation;
use protocol::wire::stream::Priority;
use protocol::wire::sync::{
    Edits, Observations, OpenApply, OpenAsk, OpenFetch, OpenReplica, Outcomes, Wanted, WireFetched,
    WireObservation, WireOutcome,
};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::router::{accept, refuse};

mod ask;

/// The open replicas of one agent.
#[derive(Clone)]
pub struct Replicas {
    context: Context,
    open: Arc<Mutex<HashMap<u32, Slot>>>,
    /// Opening looks at what is open and changes it: one at a time.
    opening: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Slot {
    config: LocalConfig,
    replica: LocalReplica,
}

impl Replicas {
    /// None yet.
    pub fn new(context: Context) -> Self {
        Self { context, open: Arc::default(), opening: Arc::default() }
    }

    /// Serves one replica's observations.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve(&self, open: OpenReplica, mut channel: Channel) -> Result<(), FrameError> {
        let (observations_tx, observations_rx) = mpsc::channel(OBSERVATIONS_QUEUED_MAX);
        if let Err(error) = self.open(open, observations_tx).await {
            return refuse(&mut channel, error).await;
        }
        accept(&mut channel).await?;
        channel.tx.set_priority(Priority::Edit);
        let Channel { mut tx, mut rx } = channel;
        let mut byte = [0];
        tokio::select! {
            sent = send_observations(&mut tx, observations_rx) => sent,
            // The hub sends nothing here: whatever comes is the end.
            _ = rx.read(&mut byte) => Ok(()),
            () = self.context.shutdown.cancelled() => Ok(()),
        }
    }

    /// Serves one batch of edits.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve_apply(
        &self,
        open: OpenApply,
        mut channel: Channel,
    ) -> Result<(), FrameError> {
        let Some(replica) = self.replica(open.sync) else {
            return refuse(&mut channel, unknown(open.sync)).await;
        };
        accept(&mut channel).await?;
        channel.tx.set_priority(Priority::Edit);
        while let Some(Edits { edits }) = framed::read_optional(&mut channel.rx).await? {
            let edits = edits.into_iter().map(|edit| {
                let (op, body) = edit.split();
                Edit { op, body }
            });
            let answer = match replica.apply(edits.collect(), Priority::Edit).await {
                Ok(outcomes) => Outcomes {
                    outcomes: outcomes.into_iter().map(WireOutcome::from).collect(),
                    refused: None,
                },
                Err(error) => Outcomes { outcomes: Vec::new(), refused: Some(refusal(error)) },
            };
            framed::write(&mut channel.tx, &answer).await?;
        }
        channel.tx.finished().await;
        Ok(())
    }

    /// Serves one batch of bodies.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve_fetch(
        &self,
        open: OpenFetch,
        mut channel: Channel,
    ) -> Result<(), FrameError> {
        let Some(replica) = self.replica(open.sync) else {
            return refuse(&mut channel, unknown(open.sync)).await;
        };
        accept(&mut channel).await?;
        channel.tx.set_priority(Priority::Bulk);
        let Wanted { wanted } = framed::read(&mut channel.rx).await?;
        // One body at a time: the hub reads as fast as it can use them.
        for wanted in wanted {
            let asked = vec![(wanted.path, wanted.entry.into())];
            let fetched = match replica.fetch(asked, Priority::Bulk).await {
                Ok(mut fetched) => fetched.pop().unwrap_or(Fetched::Changed),
                Err(error) => Fetched::Failed(refusal(error)),
            };
            let fetched = match fetched {
                Fetched::Body(body) => WireFetched::Body(body.into()),
                Fetched::Changed => WireFetched::Changed,
                Fetched::Failed(error) => WireFetched::Failed(error),
            };
            framed::write(&mut channel.tx, &fetched).await?;
        }
        channel.tx.finished().await;
        Ok(())
    }

    /// Serves one question.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve_ask(&self, open: OpenAsk, mut channel: Channel) -> Result<(), FrameError> {
        let Some(replica) = self.replica(open.sync) else {
            return refuse(&mut channel, unknown(open.sync)).await;
        };
        accept(&mut channel).await?;
        ask::serve(self, open.sync, &replica, channel).await
    }

    /// Removes every trace the replicas keep in their roots.
    pub async fn remove_traces(&self) {
        let slots: Vec<_> = self.slots().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            if let Err(error) = slot.replica.remove_traces().await {
                tracing::warn!(root = %slot.config.root.display(), %error, "traces stay");
            }
        }
    }

    /// Ends one replica.
    fn close(&self, sync: u32) {
        self.slots().remove(&sync);
    }

    async fn open(
        &self,
        open: OpenReplica,
        observations_tx: mpsc::Sender<Observation>,
    ) -> Result<(), WireError> {
        let config = LocalConfig {
            root: self.context.resolve(&open.root),
            store: StorePlace::InTree,
            ignore: open.ignore,
            include: open.include,
            evaluate_ignores: open.evaluate_ignores,
        };
        let _one_at_a_time = self.opening.lock().await;
        {
            let mut slots = self.slots();
            // One replica per root, whatever the hub calls it now: two would
            // share a store.
            let known = slots
                .iter()
                .find(|(_, slot)| slot.config.root == config.root)
                .map(|(sync, _)| *sync);
            let known = known.and_then(|sync| slots.remove(&sync));
            slots.remove(&open.sync);
            if let Some(slot) = known
                && slot.config == config
                && slot.replica.lost().is_none()
            {
                slot.replica.attach(observations_tx);
                slots.insert(open.sync, slot);
                return Ok(());
            }
            if slots.len() >= REPLICAS_MAX {
                let message = format!("more than {REPLICAS_MAX} syncs are open");
                return Err(WireError::new(ErrorCode::BadRequest, message));
            }
        }
        let of = config.clone();
        let opened = tokio::task::spawn_blocking(move || LocalReplica::open(of, observations_tx));
        let replica = match opened.await {
            Ok(opened) => opened.map_err(refusal)?,
            Err(error) => return Err(WireError::new(ErrorCode::Other, error.to_string())),
        };
        self.slots().insert(open.sync, Slot { config, replica });
        Ok(())
    }

    fn replica(&self, sync: u32) -> Option<LocalReplica> {
        self.slots().get(&sync).map(|slot| slot.replica.clone())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<u32, Slot>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends observations in frames until the replica or the stream ends. A slow
/// stream fills the channel, a full channel holds the replica's watcher.
async fn send_observations(
    tx: &mut ChannelTx,
    mut observations_rx: mpsc::Receiver<Observation>,
) -> Result<(), FrameError> {
    let mut waiting = Vec::new();
    while observations_rx.recv_many(&mut waiting, OBSERVATIONS_PER_FRAME).await > 0 {
        let mut frame = Observations { observations: Vec::new() };
        let mut len = 0;
        for observation in waiting.drain(..) {
            len += cost(&observation);
            frame.observations.push(WireObservation::from(observation));
            if len >= OBSERVATION_FRAME_LEN {
                framed::write(tx, &frame).await?;
                frame.observations.clear();
                len = 0;
            }
        }
        if !frame.observations.is_empty() {
            framed::write(tx, &frame).await?;
        }
    }
    Ok(())
}

fn cost(observation: &Observation) -> usize {
    match observation {
        Observation::Seen { path, body, .. } => {
            path.as_bytes().len() + body.as_ref().map_or(0, Vec::len) + 128
        }
        Observation::Problem { path, .. } => path.as_bytes().len() + 256,
        _ => 256,
    }
}

fn unknown(sync: u32) -> WireError {
    WireError::new(ErrorCode::NotFound, format!("sync {sync} is not open"))
}

fn refusal(error: ReplicaError) -> WireError {
    match error {
        ReplicaError::Refused(error) => error,
        ReplicaError::Unreachable => WireError::new(ErrorCode::Unreachable, error.to_string()),
    }
}
