//! Datagrams on a byte stream: a `u16` big-endian length, then the datagram.
//! Pure; knows nothing of what a datagram holds.

use alloc::vec::Vec;

use crate::limits::CARRIER_DATAGRAM_MAX;

/// Bytes before each datagram.
pub const HEADER: usize = 2;

/// A peer that does not speak this framing: the carrier ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It announced more than it may.
    #[error("a datagram of {len} bytes is over the limit of {CARRIER_DATAGRAM_MAX}")]
    TooLong {
        /// What it announced.
        len: usize,
    },
    /// It announced nothing, which no sender does.
    #[error("an empty datagram was announced")]
    Empty,
}

/// A datagram and what follows it.
pub type Split<'a> = (&'a [u8], &'a [u8]);

/// Appends one frame. False, and nothing appended, when the datagram is empty or
/// over the limit.
pub fn push(out: &mut Vec<u8>, datagram: &[u8]) -> bool {
    let Ok(len) = u16::try_from(datagram.len()) else { return false };
    if len == 0 || datagram.len() > CARRIER_DATAGRAM_MAX {
        return false;
    }
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(datagram);
    true
}

/// The first datagram of `bytes` and what follows it; `None` when it is not
/// whole yet.
///
/// # Errors
/// See [`FrameError`].
pub fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, FrameError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes(*header));
    if len == 0 {
        return Err(FrameError::Empty);
    }
    if len > CARRIER_DATAGRAM_MAX {
        return Err(FrameError::TooLong { len });
    }
    Ok(rest.split_at_checked(len))
}

/// How many of the first `bytes` are whole frames.
///
/// # Errors
/// See [`FrameError`].
pub fn whole(bytes: &[u8]) -> Result<usize, FrameError> {
    let mut rest = bytes;
    while let Some((_, after)) = split(rest)? {
        rest = after;
    }
    Ok(bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn frames_come_back_as_they_went() {
        let mut stream = Vec::new();
        let sent = [vec![1], vec![2; 700], vec![3; CARRIER_DATAGRAM_MAX]];
        for datagram in &sent {
            assert!(push(&mut stream, datagram));
        }
        assert_eq!(whole(&stream), Ok(stream.len()));
        let mut rest = &stream[..];
        for datagram in &sent {
            let (got, after) = split(rest).unwrap().unwrap();
            assert_eq!(got, datagram);
            rest = after;
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_cut_frame_waits_and_a_bad_length_ends_it() {
        let mut stream = Vec::new();
        push(&mut stream, &[9; 10]);
        for cut in 0..stream.len() {
            assert_eq!(split(&stream[..cut]), Ok(None));
            assert_eq!(whole(&stream[..cut]), Ok(0));
        }
        assert_eq!(split(&[0, 0, 1]), Err(FrameError::Empty));
        assert_eq!(split(&[0xff, 0xff]), Err(FrameError::TooLong { len: 0xffff }));
        assert!(!push(&mut stream, &[]));
        assert!(!push(&mut stream, &[0; CARRIER_DATAGRAM_MAX + 1]));
    }
}
