//! Frames on a byte stream: a `u32` big-endian length, then CBOR. The length is
//! checked before anything is allocated.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::FRAME_LEN_MAX;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed.
    #[error("the stream failed")]
    Io(#[from] std::io::Error),
    /// The peer announced more than it may.
    #[error("a frame of {len} bytes is over the limit of {FRAME_LEN_MAX}")]
    TooLong {
        /// What it announced, in bytes.
        len: usize,
    },
    /// The body is not what was expected here.
    #[error("a frame of {len} bytes could not be decoded: {reason}")]
    Malformed {
        /// Its length in bytes.
        len: usize,
        /// The decoder's words.
        reason: String,
    },
    /// The stream ended where a frame had to come.
    #[error("the stream ended early")]
    Ended,
}

/// Encodes `value` as one frame, ready to be written.
///
/// # Errors
/// [`FrameError::TooLong`] when the body is over the limit.
pub fn encode<T: minicbor::Encode<()>>(value: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    minicbor::encode(value, &mut frame).expect("writing into a Vec cannot fail");
    let len = frame.len() - 4;
    if len > FRAME_LEN_MAX {
        return Err(FrameError::TooLong { len });
    }
    let prefix = u32::try_from(len).map_err(|_| FrameError::TooLong { len })?;
    frame[..4].copy_from_slice(&prefix.to_be_bytes());
    Ok(frame)
}

/// Writes one frame.
///
/// # Errors
/// The stream's, or [`FrameError::TooLong`].
pub async fn write<T: minicbor::Encode<()>>(
    tx: &mut (impl AsyncWrite + Unpin + ?Sized),
    value: &T,
) -> Result<(), FrameError> {
    tx.write_all(&encode(value)?).await?;
    Ok(())
}

/// Reads one frame; `None` at a clean end. Not safe to cancel: a frame half
/// read is lost.
///
/// # Errors
/// See [`FrameError`].
pub async fn read_optional<T: for<'b> minicbor::Decode<'b, ()>>(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<Option<T>, FrameError> {
    let mut prefix = [0; 4];
    let first = rx.read(&mut prefix).await?;
    if first == 0 {
        return Ok(None);
    }
    read_exact(rx, &mut prefix[first..]).await?;
    let len = u32::from_be_bytes(prefix) as usize;
    if len > FRAME_LEN_MAX {
        return Err(FrameError::TooLong { len });
    }
    let mut body = vec![0; len];
    read_exact(rx, &mut body).await?;
    minicbor::decode(&body)
        .map(Some)
        .map_err(|error| FrameError::Malformed { len, reason: error.to_string() })
}

/// Reads one frame that has to be there.
///
/// # Errors
/// See [`FrameError`]; a clean end is [`FrameError::Ended`].
pub async fn read<T: for<'b> minicbor::Decode<'b, ()>>(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<T, FrameError> {
    read_optional(rx).await?.ok_or(FrameError::Ended)
}

async fn read_exact(
    rx: &mut (impl AsyncRead + Unpin + ?Sized),
    buf: &mut [u8],
) -> Result<(), FrameError> {
    match rx.read_exact(buf).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(FrameError::Ended),
        Err(error) => Err(error.into()),
    }
}
