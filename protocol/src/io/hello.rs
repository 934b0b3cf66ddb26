//! The first words on a bootstrap channel: magic and exact version in both
//! directions, then one hello each way. Reads not a byte more, so that whatever
//! follows is the carrier's. Knows nothing of what is done with a hello.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::framed;
use crate::limits::{HELLO_LEN_MAX, HELLO_TIMEOUT, VERSION_LEN_MAX};
use crate::version::{MAGIC, VERSION};
use crate::wire::hello::{AgentHello, HubHello};

/// How much of what is not a hello is shown.
const SHOWN: usize = 200;
/// How long to wait for more of it.
const SHOWN_WAIT: Duration = Duration::from_millis(200);

/// Why two ends did not come together.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The peer is something else.
    #[error("expected towline's hello but the other side said {first:?}")]
    Garbage {
        /// The first bytes, printable.
        first: String,
    },
    /// The peer is another build.
    #[error("version mismatch: this side is towline {ours}, the other side is {theirs}")]
    Version {
        /// Ours.
        ours: &'static str,
        /// Theirs.
        theirs: String,
    },
    /// It closed the channel.
    #[error("the channel ended before towline's hello was complete")]
    Ended,
    /// It said nothing.
    #[error("no hello arrived within {} s", HELLO_TIMEOUT.as_secs())]
    Silent,
    /// Its frame is over the limit.
    #[error("a hello of {len} bytes is over the limit of {HELLO_LEN_MAX}")]
    TooLong {
        /// What it announced.
        len: usize,
    },
    /// Its frame could not be decoded.
    #[error("the hello could not be decoded: {reason}")]
    Malformed {
        /// The decoder's words.
        reason: String,
    },
    /// The channel failed.
    #[error("the channel failed: {0}")]
    Io(#[from] std::io::Error),
}

/// The hub's side.
///
/// # Errors
/// See [`HelloError`].
pub async fn hub(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
    tx: &mut (impl AsyncWrite + Unpin + ?Sized),
    hello: &HubHello,
) -> Result<AgentHello, HelloError> {
    within(async {
        // a peer that is something else may be gone already: what it said says
        // more than a broken pipe
        let sent = write(tx, &[preamble(), frame(hello)?].concat()).await;
        read_preamble(rx).await?;
        sent?;
        read_frame(rx).await
    })
    .await
}

/// The agent's side: `answer` makes its hello from the hub's.
///
/// # Errors
/// See [`HelloError`].
pub async fn agent<R>(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
    tx: &mut (impl AsyncWrite + Unpin + ?Sized),
    answer: impl AsyncFnOnce(HubHello) -> Result<(AgentHello, R), HelloError>,
) -> Result<R, HelloError> {
    within(async {
        write(tx, &preamble()).await?;
        read_preamble(rx).await?;
        let (hello, result) = answer(read_frame(rx).await?).await?;
        write(tx, &frame(&hello)?).await?;
        Ok(result)
    })
    .await
}

async fn within<T>(work: impl Future<Output = Result<T, HelloError>>) -> Result<T, HelloError> {
    tokio::time::timeout(HELLO_TIMEOUT, work).await.unwrap_or(Err(HelloError::Silent))
}

/// Magic, one byte of length, version.
fn preamble() -> Vec<u8> {
    const { assert!(VERSION.len() <= VERSION_LEN_MAX && VERSION_LEN_MAX < 256) };
    let len = u8::try_from(VERSION.len()).unwrap_or(u8::MAX); // asserted above
    [&MAGIC[..], &[len], VERSION.as_bytes()].concat()
}

fn frame<T: minicbor::Encode<()>>(hello: &T) -> Result<Vec<u8>, HelloError> {
    framed::encode(hello).map_err(|error| HelloError::Malformed { reason: error.to_string() })
}

async fn write(
    tx: &mut (impl AsyncWrite + Unpin + ?Sized),
    bytes: &[u8],
) -> Result<(), std::io::Error> {
    tx.write_all(bytes).await?;
    tx.flush().await
}

async fn read_preamble(rx: &mut (impl AsyncRead + Unpin + ?Sized)) -> Result<(), HelloError> {
    let mut seen = Vec::new();
    while seen.len() < MAGIC.len() {
        let mut byte = [0];
        if rx.read(&mut byte).await? == 0 {
            return Err(if seen.is_empty() { HelloError::Ended } else { garbage(&seen) });
        }
        seen.push(byte[0]);
        if !MAGIC.starts_with(&seen) {
            // an error message of a shell, mostly: show all of it
            let mut more = (&mut *rx).take(SHOWN as u64);
            let more = more.read_to_end(&mut seen);
            let _ = tokio::time::timeout(SHOWN_WAIT, more).await; // what came is kept
            return Err(garbage(&seen));
        }
    }
    let mut len = [0];
    exact(rx, &mut len).await?;
    let len = usize::from(len[0]);
    if len > VERSION_LEN_MAX {
        return Err(HelloError::TooLong { len });
    }
    let mut theirs = vec![0; len];
    exact(rx, &mut theirs).await?;
    if theirs == VERSION.as_bytes() {
        return Ok(());
    }
    Err(HelloError::Version { ours: VERSION, theirs: printable(&theirs) })
}

async fn read_frame<T: for<'b> minicbor::Decode<'b, ()>>(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<T, HelloError> {
    let mut prefix = [0; 4];
    exact(rx, &mut prefix).await?;
    let len = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if len > HELLO_LEN_MAX {
        return Err(HelloError::TooLong { len });
    }
    let mut body = vec![0; len];
    exact(rx, &mut body).await?;
    minicbor::decode(&body).map_err(|error| HelloError::Malformed { reason: error.to_string() })
}

async fn exact(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
    buf: &mut [u8],
) -> Result<(), HelloError> {
    match rx.read_exact(buf).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(HelloError::Ended),
        Err(error) => Err(error.into()),
    }
}

fn garbage(seen: &[u8]) -> HelloError {
    HelloError::Garbage { first: printable(seen) }
}

/// Text a terminal can take, whatever the bytes are.
fn printable(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    String::from_utf8_lossy(shown).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
