//! Answers one question to a replica.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::{Channel, ChannelTx};
use protocol::io::framed::{self, FrameError};
use protocol::io::fs::LocalReplica;
use protocol::io::replica::{Replica, ReplicaError};
use protocol::limits::TRASH_ITEMS_PER_FRAME;
use protocol::sync::delta::SIGNATURE_LEN_MAX;
use protocol::sync::entry::Outcome;
use protocol::wire::stream::Priority;
use protocol::wire::sync::{Answer, Ask, TrashPage, WireEntry, WireTrashItem};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::{Replicas, refusal};

/// Delta bytes in one write.
const PIECE_LEN: usize = 64 * 1024;

/// Serves the stream to its end.
///
/// # Errors
/// The stream's.
pub(super) async fn serve(
    replicas: &Replicas,
    sync: u32,
    replica: &LocalReplica,
    channel: Channel,
) -> Result<(), FrameError> {
    let Channel { mut tx, mut rx } = channel;
    tx.set_priority(Priority::Bulk);
    match framed::read(&mut rx).await? {
        Ask::Signature(wanted) => {
            let made = replica.signature(wanted.path, wanted.entry.into()).await;
            let answer = or_refused(made.map(|made| match made {
                None => Answer::Changed,
                Some(signature) => Answer::Signature(signature.into()),
            }));
            framed::write(&mut tx, &answer).await?;
        }
        Ask::ReadDelta(wanted, signature) => {
            if signature.len() > SIGNATURE_LEN_MAX {
                let error = WireError::new(ErrorCode::BadRequest, "the signature is too long");
                return framed::write(&mut tx, &Answer::Refused(error)).await;
            }
            let opened =
                replica.read_delta(wanted.path, wanted.entry.into(), signature.into()).await;
            match opened {
                Ok(Some(delta)) => send_delta(&mut tx, delta).await?,
                Ok(None) => framed::write(&mut tx, &Answer::Changed).await?,
                Err(error) => framed::write(&mut tx, &Answer::Refused(refusal(error))).await?,
            }
        }
        Ask::WriteDelta(edit) => {
            let written = replica.write_delta(edit.split().0, Box::new(rx)).await;
            framed::write(&mut tx, &or_refused(written.map(outcome))).await?;
        }
        Ask::Trash => send_trash(&mut tx, replica).await?,
        Ask::Restore(id) => {
            let restored = replica.restore(id).await;
            framed::write(&mut tx, &or_refused(restored.map(outcome))).await?;
        }
        Ask::Rescan => {
            let asked = replica.rescan().await;
            framed::write(&mut tx, &or_refused(asked.map(|()| Answer::Done))).await?;
        }
        Ask::Flush => {
            let sent = replica.flush().await;
            framed::write(&mut tx, &Answer::Flushed(sent)).await?;
        }
        Ask::RemoveTraces => {
            let removed = replica.remove_traces().await;
            replicas.close(sync);
            framed::write(&mut tx, &or_refused(removed.map(|()| Answer::Done))).await?;
        }
    }
    tx.finished().await;
    Ok(())
}

async fn send_delta(
    tx: &mut ChannelTx,
    mut delta: impl AsyncRead + Unpin,
) -> Result<(), FrameError> {
    framed::write(tx, &Answer::Done).await?;
    let mut piece = vec![0; PIECE_LEN];
    loop {
        match delta.read(&mut piece).await? {
            0 => return Ok(()),
            read => tx.write_all(&piece[..read]).await?,
        }
    }
}

async fn send_trash(tx: &mut ChannelTx, replica: &LocalReplica) -> Result<(), FrameError> {
    let items = match replica.trash().await {
        Ok(items) => items,
        Err(error) => return framed::write(tx, &Answer::Refused(refusal(error))).await,
    };
    framed::write(tx, &Answer::Done).await?;
    for page in items.chunks(TRASH_ITEMS_PER_FRAME) {
        let items = page.iter().map(|item| WireTrashItem {
            id: item.id,
            path: item.path.clone(),
            entry: WireEntry::from(&item.entry),
            at_us: item.at_us,
        });
        framed::write(tx, &TrashPage { items: items.collect() }).await?;
    }
    framed::write(tx, &TrashPage { items: Vec::new() }).await
}

fn outcome(outcome: Outcome) -> Answer {
    Answer::Outcome(outcome.into())
}

fn or_refused(answer: Result<Answer, ReplicaError>) -> Answer {
    answer.unwrap_or_else(|error| Answer::Refused(refusal(error)))
}
