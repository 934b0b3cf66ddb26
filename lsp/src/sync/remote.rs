//! The agent's replica as this end sees it: each request is a stream. Knows
//! nothing of what a sync decides.

use std::sync::Arc;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::{Channel, ChannelRx, Connection, OpenError};
use protocol::io::framed::{self, FrameError};
use protocol::io::replica::{
    BoxFuture, DeltaReader, Edit, Fetched, Replica, ReplicaError, TrashItem,
};
use protocol::limits::{FRAME_LEN_MAX, TRASH_ITEMS_MAX};
use protocol::path::RelPath;
use protocol::sync::entry::{Entry, Observation, Op, Outcome};
use protocol::wire::stream::{Open, Priority};
use protocol::wire::sync::{
    Answer, Ask, Edits, Observations, OpenApply, OpenAsk, OpenFetch, OpenReplica, Outcomes,
    TrashPage, Wanted, WireEdit, WireFetched, WireWanted,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Delta bytes in one write.
const PIECE_LEN: usize = 64 * 1024;
/// From which length on a frame of edits or paths is sent though more wait.
const FRAME_LEN_SOFT: usize = FRAME_LEN_MAX / 4 * 3;
/// What an edit or a path costs beside its bytes, at most.
const FIELDS_LEN: usize = 512;

/// A tree that the agent serves. Cheap to clone; the last handle ends the stream
/// of observations, not the agent's replica.
#[derive(Clone)]
pub struct RemoteReplica(Arc<Inner>);

struct Inner {
    connection: Connection,
    sync: u32,
    received_rx: watch::Receiver<u64>,
    reader: JoinHandle<()>,
}

impl RemoteReplica {
    /// Opens the replica on `connection`, or takes over the one that an earlier
    /// connection opened. Observations go to `observations_tx`, which is dropped
    /// when the stream ends.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] in the agent's words.
    pub async fn open(
        connection: Connection,
        open: OpenReplica,
        observations_tx: mpsc::Sender<Observation>,
    ) -> Result<Self, ReplicaError> {
        let sync = open.sync;
        let channel =
            connection.open(&Open::Sync(open), Priority::Edit).await.map_err(not_opened)?;
        let (received_tx, received_rx) = watch::channel(0);
        let reader = tokio::spawn(async move {
            if let Err(error) = receive(channel, &observations_tx, &received_tx).await {
                tracing::debug!(%error, "a sync's observations ended");
            }
        });
        Ok(Self(Arc::new(Inner { connection, sync, received_rx, reader })))
    }

    async fn ask(&self, ask: &Ask) -> Result<(Answer, Channel), ReplicaError> {
        let mut channel = self.open_ask().await?;
        framed::write(&mut channel.tx, ask).await.map_err(cut)?;
        let answer = framed::read(&mut channel.rx).await.map_err(cut)?;
        match answer {
            Answer::Refused(error) => Err(ReplicaError::Refused(error)),
            answer => Ok((answer, channel)),
        }
    }

    async fn open_ask(&self) -> Result<Channel, ReplicaError> {
        let open = Open::SyncAsk(OpenAsk { sync: self.0.sync });
        self.0.connection.open(&open, Priority::Bulk).await.map_err(not_opened)
    }

    async fn apply_all(
        &self,
        edits: Vec<Edit>,
        priority: Priority,
    ) -> Result<Vec<Outcome>, ReplicaError> {
        if edits.is_empty() {
            return Ok(Vec::new());
        }
        let open = Open::SyncApply(OpenApply { sync: self.0.sync });
        let channel = self.0.connection.open(&open, priority).await.map_err(not_opened)?;
        let Channel { mut tx, mut rx } = channel;
        let wanted = edits.len();
        let mut outcomes = Vec::with_capacity(wanted);
        let send = async move {
            for edits in frames(edits) {
                framed::write(&mut tx, &Edits { edits }).await?;
            }
            tx.shutdown().await?;
            // Kept: dropping a stream's other half must not cut the answer.
            Ok::<_, FrameError>(tx)
        };
        let read = async {
            while outcomes.len() < wanted {
                let answer: Outcomes = framed::read(&mut rx).await.map_err(cut)?;
                if let Some(error) = answer.refused {
                    return Err(ReplicaError::Refused(error));
                }
                if answer.outcomes.is_empty() {
                    return Err(broken("no outcomes came for a batch of edits"));
                }
                outcomes.extend(answer.outcomes.into_iter().map(Outcome::from));
            }
            Ok(())
        };
        let (sent, read) = tokio::join!(send, read);
        read?;
        sent.map_err(cut)?;
        if outcomes.len() != wanted {
            return Err(broken("another number of outcomes than of edits came"));
        }
        Ok(outcomes)
    }

    async fn fetch_all(
        &self,
        wanted: Vec<(RelPath, Entry)>,
        priority: Priority,
    ) -> Result<Vec<Fetched>, ReplicaError> {
        let mut fetched = Vec::with_capacity(wanted.len());
        let mut wanted = wanted.into_iter().peekable();
        while wanted.peek().is_some() {
            let mut page = Vec::new();
            let mut len = 0;
            while len < FRAME_LEN_SOFT
                && let Some((path, entry)) = wanted.next()
            {
                len += path.as_bytes().len() + FIELDS_LEN;
                page.push(WireWanted::new(path, &entry));
            }
            let count = page.len();
            let open = Open::SyncFetch(OpenFetch { sync: self.0.sync });
            let mut channel = self.0.connection.open(&open, priority).await.map_err(not_opened)?;
            framed::write(&mut channel.tx, &Wanted { wanted: page }).await.map_err(cut)?;
            for _ in 0..count {
                fetched.push(match framed::read(&mut channel.rx).await.map_err(cut)? {
                    WireFetched::Body(body) => Fetched::Body(body.into()),
                    WireFetched::Changed => Fetched::Changed,
                    WireFetched::Failed(error) => Fetched::Failed(error),
                });
            }
        }
        Ok(fetched)
    }

    async fn send_delta(&self, op: Op, mut delta: DeltaReader) -> Result<Outcome, ReplicaError> {
        let Channel { mut tx, mut rx } = self.open_ask().await?;
        let ask = Ask::WriteDelta(WireEdit::new(&op, None));
        framed::write(&mut tx, &ask).await.map_err(cut)?;
        let send = async {
            let mut piece = vec![0; PIECE_LEN];
            loop {
                match delta.read(&mut piece).await {
                    Ok(0) => break,
                    Ok(read) if tx.write_all(&piece[..read]).await.is_ok() => {}
                    // The agent stops reading when it has decided: its answer
                    // says why.
                    _ => return,
                }
            }
            let _ = tx.shutdown().await; // the answer tells
        };
        let answer = async { framed::read(&mut rx).await.map_err(cut) };
        tokio::pin!(answer);
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer?,
            () = send => answer.await?,
        };
        outcome(answer)
    }
}

impl Replica for RemoteReplica {
    fn apply(
        &self,
        edits: Vec<Edit>,
        priority: Priority,
    ) -> BoxFuture<'_, Result<Vec<Outcome>, ReplicaError>> {
        Box::pin(self.apply_all(edits, priority))
    }

    fn fetch(
        &self,
        wanted: Vec<(RelPath, Entry)>,
        priority: Priority,
    ) -> BoxFuture<'_, Result<Vec<Fetched>, ReplicaError>> {
        Box::pin(self.fetch_all(wanted, priority))
    }

    fn signature(
        &self,
        path: RelPath,
        entry: Entry,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, ReplicaError>> {
        Box::pin(async move {
            match self.ask(&Ask::Signature(WireWanted::new(path, &entry))).await?.0 {
                Answer::Signature(signature) => Ok(Some(signature.into())),
                Answer::Changed => Ok(None),
                _ => Err(unasked()),
            }
        })
    }

    fn read_delta(
        &self,
        path: RelPath,
        entry: Entry,
        signature: Vec<u8>,
    ) -> BoxFuture<'_, Result<Option<DeltaReader>, ReplicaError>> {
        Box::pin(async move {
            let ask = Ask::ReadDelta(WireWanted::new(path, &entry), signature.into());
            let (answer, channel) = self.ask(&ask).await?;
            match answer {
                Answer::Done => {
                    let reader: Box<ChannelRx> = Box::new(channel.rx);
                    Ok(Some(reader as DeltaReader))
                }
                Answer::Changed => Ok(None),
                _ => Err(unasked()),
            }
        })
    }

    fn write_delta(
        &self,
        op: Op,
        delta: DeltaReader,
    ) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(self.send_delta(op, delta))
    }

    fn trash(&self) -> BoxFuture<'_, Result<Vec<TrashItem>, ReplicaError>> {
        Box::pin(async move {
            let (_, mut channel) = self.ask(&Ask::Trash).await?;
            let mut items = Vec::new();
            loop {
                let page: TrashPage = framed::read(&mut channel.rx).await.map_err(cut)?;
                if page.items.is_empty() {
                    return Ok(items);
                }
                items.extend(page.items.into_iter().map(|item| TrashItem {
                    id: item.id,
                    path: item.path,
                    entry: item.entry.into(),
                    at_us: item.at_us,
                }));
                if items.len() > TRASH_ITEMS_MAX {
                    return Err(broken("more trash items came than a trash holds"));
                }
            }
        })
    }

    fn restore(&self, id: u64) -> BoxFuture<'_, Result<Outcome, ReplicaError>> {
        Box::pin(async move { outcome(self.ask(&Ask::Restore(id)).await?.0) })
    }

    fn rescan(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async move { self.ask(&Ask::Rescan).await.map(|_| ()) })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async move {
            let Answer::Flushed(sent) = self.ask(&Ask::Flush).await?.0 else {
                return Err(unasked());
            };
            // The answer may overtake the observations: they have another stream.
            let mut received_rx = self.0.received_rx.clone();
            let received = received_rx.wait_for(|received| *received >= sent).await;
            received.map(|_| ()).map_err(|_| ReplicaError::Unreachable)
        })
    }

    fn remove_traces(&self) -> BoxFuture<'_, Result<(), ReplicaError>> {
        Box::pin(async move { self.ask(&Ask::RemoveTraces).await.map(|_| ()) })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn receive(
    mut channel: Channel,
    observations_tx: &mpsc::Sender<Observation>,
    received_tx: &watch::Sender<u64>,
) -> Result<(), FrameError> {
    while let Some(Observations { observations }) = framed::read_optional(&mut channel.rx).await? {
        for observation in observations {
            if observations_tx.send(observation.into()).await.is_err() {
                return Ok(());
            }
            received_tx.send_modify(|received| *received += 1);
        }
    }
    Ok(())
}

/// Edits in frames that fit. A batch is small, but a hundred long paths are not.
fn frames(edits: Vec<Edit>) -> Vec<Vec<WireEdit>> {
    let mut frames = vec![Vec::new()];
    let mut len = 0;
    for Edit { op, body } in edits {
        let links = [&op.base, &op.new].into_iter().map(|entry| match entry {
            Some(Entry::Symlink { target }) => target.len(),
            _ => 0,
        });
        let cost = op.path.as_bytes().len()
            + body.as_ref().map_or(0, Vec::len)
            + links.sum::<usize>()
            + FIELDS_LEN;
        if len + cost > FRAME_LEN_SOFT && len > 0 {
            frames.push(Vec::new());
            len = 0;
        }
        len += cost;
        if let Some(frame) = frames.last_mut() {
            frame.push(WireEdit::new(&op, body));
        }
    }
    frames
}

fn outcome(answer: Answer) -> Result<Outcome, ReplicaError> {
    match answer {
        Answer::Outcome(outcome) => Ok(outcome.into()),
        Answer::Refused(error) => Err(ReplicaError::Refused(error)),
        _ => Err(unasked()),
    }
}

fn not_opened(error: OpenError) -> ReplicaError {
    match error {
        OpenError::Refused(error) => ReplicaError::Refused(error),
        OpenError::Closed => ReplicaError::Unreachable,
        OpenError::Frame(error) => cut(error),
    }
}

fn cut(error: FrameError) -> ReplicaError {
    match error {
        FrameError::TooLong { .. } | FrameError::Malformed { .. } => broken(&error.to_string()),
        FrameError::Io(_) | FrameError::Ended => ReplicaError::Unreachable,
    }
}

fn unasked() -> ReplicaError {
    broken("the agent answered another question")
}

fn broken(message: &str) -> ReplicaError {
    ReplicaError::Refused(WireError::new(ErrorCode::BadRequest, message))
}
