//! New content in, delta bytes out. Holds at most a block and a literal.

use alloc::vec::Vec;

use super::decode::{TAG_COPY, TAG_END, TAG_LITERAL};
use super::rolling::Rolling;
use super::{DeltaError, LITERAL_LEN_MAX, Signature, strong};

/// Makes a delta from content that is pushed in, in order.
pub struct Encoder {
    signature: Signature,
    /// `[0..start)` is a literal not emitted yet, `[start..)` not looked at yet.
    buf: Vec<u8>,
    start: usize,
    rolling: Option<Rolling>,
    /// A copy not emitted yet, which the next one may extend.
    copy: Option<(u64, u64)>,
    expected: usize,
    len: u64,
}

impl Encoder {
    /// Against the content that `signature` describes; an empty signature makes
    /// plain data.
    ///
    /// # Errors
    /// [`DeltaError::Signature`].
    pub fn new(signature: &[u8]) -> Result<Self, DeltaError> {
        Ok(Self {
            signature: Signature::parse(signature)?,
            buf: Vec::new(),
            start: 0,
            rolling: None,
            copy: None,
            expected: 0,
            len: 0,
        })
    }

    /// The next bytes of the content; delta bytes are appended to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        // In pieces, so that what is held does not depend on the caller.
        for piece in bytes.chunks(LITERAL_LEN_MAX) {
            self.len = self.len.saturating_add(piece.len() as u64);
            self.buf.extend_from_slice(piece);
            if self.signature.count() == 0 {
                self.start = self.buf.len();
                self.emit_literal(out);
            } else {
                self.scan(out);
            }
        }
    }

    /// The end of the content.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if let Some(last) = self.signature.count().checked_sub(1) {
            // Only the last block may be short, and only the very end matches it.
            let (offset, len) = self.signature.range(last);
            let short = usize::try_from(len).unwrap_or(usize::MAX);
            let rest = self.buf.len() - self.start;
            if short <= rest && short < self.signature.block_len {
                let from = self.buf.len() - short;
                if strong(&self.buf[from..]) == self.signature.strong[last] {
                    self.start = from;
                    self.emit_literal(out);
                    self.buf.clear();
                    self.start = 0;
                    self.extend_copy(offset, len, out);
                }
            }
        }
        self.start = self.buf.len();
        self.emit_literal(out);
        self.emit_copy(out);
        out.push(TAG_END);
        out.extend_from_slice(&self.len.to_be_bytes());
    }

    fn scan(&mut self, out: &mut Vec<u8>) {
        let block_len = self.signature.block_len;
        while self.buf.len() - self.start >= block_len {
            let end = self.start + block_len;
            let window = &self.buf[self.start..end];
            let rolling = *self.rolling.get_or_insert_with(|| Rolling::new(window));
            if let Some(index) = self.signature.find(rolling.sum(), window, self.expected) {
                self.emit_literal(out);
                self.buf.drain(..block_len);
                self.rolling = None;
                let (offset, len) = self.signature.range(index);
                self.extend_copy(offset, len, out);
                self.expected = index + 1;
                continue;
            }
            let Some(next) = self.buf.get(end) else { break };
            let mut rolling = rolling;
            rolling.roll(self.buf[self.start], *next);
            self.rolling = Some(rolling);
            self.start += 1;
            if self.start >= LITERAL_LEN_MAX {
                self.emit_literal(out);
            }
        }
    }

    /// Emits `[0..start)`; copies before it go first.
    fn emit_literal(&mut self, out: &mut Vec<u8>) {
        if self.start == 0 {
            return;
        }
        self.emit_copy(out);
        for literal in self.buf[..self.start].chunks(LITERAL_LEN_MAX) {
            out.push(TAG_LITERAL);
            // A chunk of at most LITERAL_LEN_MAX bytes.
            out.extend_from_slice(&u32::try_from(literal.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(literal);
        }
        self.buf.drain(..self.start);
        self.start = 0;
    }

    fn extend_copy(&mut self, offset: u64, len: u64, out: &mut Vec<u8>) {
        match &mut self.copy {
            Some((from, so_far)) if *from + *so_far == offset => *so_far += len,
            _ => {
                self.emit_copy(out);
                self.copy = Some((offset, len));
            }
        }
    }

    fn emit_copy(&mut self, out: &mut Vec<u8>) {
        if let Some((offset, len)) = self.copy.take() {
            out.push(TAG_COPY);
            out.extend_from_slice(&offset.to_be_bytes());
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}
