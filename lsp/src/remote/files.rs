//! Whole small files of the target in memory, for editors. The streams stand behind
//! `Opened::Ok`.

use protocol::error::WireError;
use protocol::io::framed::{self, FrameError};
use protocol::limits::{CHUNK_LEN_MAX, REMOTE_FILE_MAX};
use protocol::path::RelPath;
use protocol::wire::copy::{Attributes, Piece, Verdict};
use tokio::io::{AsyncRead, AsyncWrite};

/// Why there is no content.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The stream failed.
    #[error("the link failed while a file was carried")]
    Stream(#[from] FrameError),
    /// The target could not go on.
    #[error(transparent)]
    There(WireError),
    /// It is too much for an editor.
    #[error("it is over {} MiB long", REMOTE_FILE_MAX >> 20)]
    TooLong,
    /// It is something else.
    #[error("it is no file")]
    NoFile,
}

/// Reads a file; the stream was opened with `Copy::Out`.
///
/// # Errors
/// See [`FileError`].
pub async fn read(mut rx: impl AsyncRead + Unpin) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    loop {
        match framed::read(&mut rx).await? {
            Piece::Begin(_) | Piece::File(..) => {}
            Piece::Data(bytes) if content.len() + bytes.len() > REMOTE_FILE_MAX => {
                return Err(FileError::TooLong);
            }
            Piece::Data(bytes) => content.extend_from_slice(&bytes),
            Piece::EndOfFile => return Ok(content),
            Piece::Failed(error) => return Err(FileError::There(error)),
            Piece::Directory(..) | Piece::Symlink(..) | Piece::Skipped(..) | Piece::Done => {
                return Err(FileError::NoFile);
            }
        }
    }
}

/// Writes a file, whole or not at all; the stream was opened with `Copy::In`.
///
/// # Errors
/// See [`FileError`].
pub async fn write(
    mut rx: impl AsyncRead + Unpin,
    mut tx: impl AsyncWrite + Unpin,
    name: &[u8],
    content: &[u8],
    attributes: Attributes,
) -> Result<(), FileError> {
    framed::write(&mut tx, &Piece::Begin(name.to_vec())).await?;
    framed::write(&mut tx, &Piece::File(RelPath::root(), attributes)).await?;
    for chunk in content.chunks(CHUNK_LEN_MAX) {
        framed::write(&mut tx, &Piece::Data(chunk.to_vec())).await?;
    }
    framed::write(&mut tx, &Piece::EndOfFile).await?;
    framed::write(&mut tx, &Piece::Done).await?;
    match framed::read(&mut rx).await? {
        Verdict::Done => Ok(()),
        Verdict::Failed(error) => Err(FileError::There(error)),
    }
}
