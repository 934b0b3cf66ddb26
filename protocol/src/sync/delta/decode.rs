//! Delta bytes in, ops out. Every length is checked before it is believed.

use alloc::vec::Vec;

use super::{DeltaError, LITERAL_LEN_MAX};

pub(super) const TAG_END: u8 = 0;
pub(super) const TAG_COPY: u8 = 1;
pub(super) const TAG_LITERAL: u8 = 2;

/// How to go on making the new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeltaOp {
    /// Append this much of the old content.
    Copy {
        /// Where it begins in the old content.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// Append these bytes.
    Literal(Vec<u8>),
    /// The content is complete.
    End,
}

/// Reads a delta that is pushed in, in any pieces. Call [`Decoder::next_op`]
/// until it gives none after each push: then it holds at most one op.
pub struct Decoder {
    base_len: u64,
    new_len: u64,
    made: u64,
    buf: Vec<u8>,
    read: usize,
    ended: bool,
}

impl Decoder {
    /// For old content of `base_len` bytes that becomes `new_len` bytes.
    pub fn new(base_len: u64, new_len: u64) -> Self {
        Self { base_len, new_len, made: 0, buf: Vec::new(), read: 0, ended: false }
    }

    /// The next bytes of the delta.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buf.drain(..self.read);
        self.read = 0;
        self.buf.extend_from_slice(bytes);
    }

    /// The next op; none until more bytes are pushed.
    ///
    /// # Errors
    /// See [`DeltaError`]; nothing useful follows one.
    pub fn next_op(&mut self) -> Result<Option<DeltaOp>, DeltaError> {
        let rest = &self.buf[self.read..];
        let Some((tag, fields)) = rest.split_first() else { return Ok(None) };
        if self.ended {
            return Err(DeltaError::Op);
        }
        match *tag {
            TAG_LITERAL => {
                let Some((len, body)) = split_u32(fields) else { return Ok(None) };
                let len = len as usize;
                if len == 0 || len > LITERAL_LEN_MAX {
                    return Err(DeltaError::Op);
                }
                let Some(literal) = body.get(..len) else { return Ok(None) };
                let literal = literal.to_vec();
                self.read += 1 + 4 + len;
                self.make(len as u64)?;
                Ok(Some(DeltaOp::Literal(literal)))
            }
            TAG_COPY => {
                let Some((offset, fields)) = split_u64(fields) else { return Ok(None) };
                let Some((len, _)) = split_u64(fields) else { return Ok(None) };
                self.read += 1 + 8 + 8;
                if offset.checked_add(len).is_none_or(|end| end > self.base_len) {
                    return Err(DeltaError::Range);
                }
                self.make(len)?;
                Ok(Some(DeltaOp::Copy { offset, len }))
            }
            TAG_END => {
                let Some((len, _)) = split_u64(fields) else { return Ok(None) };
                self.read += 1 + 8;
                if len != self.made || len != self.new_len {
                    return Err(DeltaError::Length);
                }
                self.ended = true;
                Ok(Some(DeltaOp::End))
            }
            _ => Err(DeltaError::Op),
        }
    }

    /// Checks that the delta came to its end.
    ///
    /// # Errors
    /// [`DeltaError::Ended`] when it did not, [`DeltaError::Op`] when bytes
    /// follow it.
    pub fn finish(self) -> Result<(), DeltaError> {
        match (self.ended, self.read == self.buf.len()) {
            (true, true) => Ok(()),
            (true, false) => Err(DeltaError::Op),
            (false, _) => Err(DeltaError::Ended),
        }
    }

    fn make(&mut self, len: u64) -> Result<(), DeltaError> {
        self.made = self.made.checked_add(len).ok_or(DeltaError::Length)?;
        if self.made > self.new_len { Err(DeltaError::Length) } else { Ok(()) }
    }
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

fn split_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}
