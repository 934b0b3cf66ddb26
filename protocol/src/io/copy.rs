//! Both ends of `cp`: one reads a tree into a stream, the other writes it. Each
//! end may be the hub's or the agent's. The writing end trusts nothing that the
//! other says: names are checked, and every step below the destination is by
//! directory handle, following no link.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::framed::{self, FrameError};
use crate::error::{ErrorCode, WireError};
use crate::wire::copy::Piece;

mod read;
mod write;

/// Pieces on their way between the disk and the stream, each at most one chunk.
const PIECES_WAITING: usize = 8;

/// Skipped paths that are named; the others are only counted.
const SKIPPED_NAMED: usize = 100;

/// Why a copy ended early.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The stream failed.
    #[error("the link failed during the copy")]
    Stream(#[from] FrameError),
    /// This end could not go on.
    #[error(transparent)]
    Here(WireError),
    /// The other end could not go on.
    #[error(transparent)]
    There(WireError),
}

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Files and links so far.
    pub files: u64,
    /// Bytes of files so far.
    pub bytes: u64,
    /// What could not be copied and why, the first of them.
    pub skipped: Vec<(String, String)>,
    /// How many could not be copied.
    pub skipped_count: u64,
}

/// What to copy, as the user named it.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// As the user wrote it: what a trailing `/.` means is read from it.
    pub named: String,
}

/// Where to copy to, as the user named it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Where that is.
    pub path: PathBuf,
    /// As the user wrote it: what a trailing slash means is read from it.
    pub named: String,
}

impl Source {
    /// A source, if there is one.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn find(path: PathBuf, named: &str) -> Result<Self, WireError> {
        match std::fs::metadata(&path) {
            Ok(_) => Ok(Self { path, named: named.to_owned() }),
            Err(error) => Err(failed("copy", named, &error)),
        }
    }

    /// The name it has at the destination; empty when its content is meant.
    fn name(&self) -> &OsStr {
        let last = self.named.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if matches!(last, "" | "." | "..") {
            return OsStr::new("");
        }
        self.path.file_name().unwrap_or_default()
    }
}

impl Destination {
    /// A destination; what is there is looked at when the first piece comes.
    pub fn new(path: PathBuf, named: &str) -> Self {
        Self { path, named: named.to_owned() }
    }

    fn must_be_directory(&self) -> bool {
        self.named.ends_with('/') || self.named.ends_with("/.") || self.named == "."
    }
}

/// Sends a tree. Tells the other end when it cannot go on.
///
/// # Errors
/// See [`CopyError`].
pub async fn send(
    tx: &mut (impl AsyncWrite + Unpin),
    source: Source,
    progress: &mut (dyn FnMut(&Summary) + Send),
) -> Result<Summary, CopyError> {
    // disk --piece--> stream
    let (piece_tx, mut piece_rx) = mpsc::channel(PIECES_WAITING);
    let reading = tokio::task::spawn_blocking(move || read::read(&source, &piece_tx));
    let mut summary = Summary::default();
    while let Some(piece) = piece_rx.recv().await {
        framed::write(tx, &piece).await?;
        if summary.count(&piece) {
            progress(&summary);
        }
    }
    let outcome = match reading.await.unwrap_or_else(|_| Err(panicked())) {
        Ok(()) => Piece::Done,
        Err(error) => Piece::Failed(error),
    };
    framed::write(tx, &outcome).await?;
    match outcome {
        Piece::Failed(error) => Err(CopyError::Here(error)),
        _ => Ok(summary),
    }
}

/// Receives a tree. What was complete when it ended early stays.
///
/// # Errors
/// See [`CopyError`].
pub async fn receive(
    rx: &mut (impl AsyncRead + Unpin),
    destination: Destination,
    progress: &mut (dyn FnMut(&Summary) + Send),
) -> Result<Summary, CopyError> {
    // stream --piece--> disk
    let (piece_tx, piece_rx) = mpsc::channel(PIECES_WAITING);
    let writing = tokio::task::spawn_blocking(move || write::write(&destination, piece_rx));
    let mut summary = Summary::default();
    let ended = loop {
        let read = tokio::select! {
            biased;
            () = piece_tx.closed() => break Ok(()), // the writer tells why when it is joined
            read = framed::read(rx) => read,
        };
        match read {
            Ok(Piece::Failed(error)) => break Err(CopyError::There(error)),
            Err(error) => break Err(error.into()),
            Ok(piece) => {
                if summary.count(&piece) {
                    progress(&summary);
                }
                let is_last = piece == Piece::Done;
                if piece_tx.send(piece).await.is_err() || is_last {
                    break Ok(());
                }
            }
        }
    };
    drop(piece_tx);
    let written = writing.await.unwrap_or_else(|_| Err(panicked()));
    ended?;
    written.map_err(CopyError::Here)?;
    Ok(summary)
}

impl Summary {
    /// Whether the piece made a difference.
    fn count(&mut self, piece: &Piece) -> bool {
        match piece {
            Piece::Data(bytes) => self.bytes += bytes.len() as u64,
            Piece::EndOfFile | Piece::Symlink(..) => self.files += 1,
            Piece::Skipped(path, reason) => {
                self.skipped_count += 1;
                if self.skipped.len() < SKIPPED_NAMED {
                    self.skipped.push((path.to_string(), reason.clone()));
                }
            }
            _ => return false,
        }
        true
    }
}

/// An operating system's error with what was tried.
fn failed(what: &str, named: &str, error: &std::io::Error) -> WireError {
    let mut wire = WireError::from(error);
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::NotADirectory => "it is not a directory".to_owned(),
        std::io::ErrorKind::StorageFull => "no space is left on the disk".to_owned(),
        _ => error.to_string(),
    };
    wire.message = format!("unable to {what} `{named}`: {reason}");
    wire
}

fn panicked() -> WireError {
    WireError::new(ErrorCode::Other, "the copy failed inside")
}

fn os(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
