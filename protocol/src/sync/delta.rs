//! Rolling-hash signatures and deltas (the rsync algorithm, Tridgell 1999).
//!
//! ```text
//! receiver (old content)             sender (new content)
//!   SignatureBuilder ──signature──▶  Signature::parse ─▶ Encoder
//!   Decoder ◀──────────delta ops──────────────────────────┘
//! ```
//!
//! Owns both byte formats and knows no file: bytes are pushed in, bytes or
//! [`DeltaOp`]s come out. Whoever writes the result verifies its BLAKE3 digest;
//! the strong sums here only make a wrong match improbable.
//!
//! Signature: `1u8`, block length `u32`, content length `u64`, then per block
//! its rolling sum `u32` and the first 16 bytes of its BLAKE3. An empty
//! signature stands for "no old content". Delta: ops of a tag byte and its
//! fields, the last of them [`DeltaOp::End`]. All integers are big-endian.

use alloc::vec::Vec;

mod decode;
mod encode;
mod rolling;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, DeltaOp};
pub use encode::Encoder;

use rolling::Rolling;

/// Most blocks in a signature; files too long for that get longer blocks, so
/// that a signature always fits into one frame.
pub const BLOCKS_MAX: usize = 128 * 1024;

/// Longest signature in bytes; what is longer is refused unread.
pub const SIGNATURE_LEN_MAX: usize = HEADER_LEN + BLOCKS_MAX * BLOCK_SUM_LEN;

/// Longest literal of one op: bounds what a decoder holds.
pub const LITERAL_LEN_MAX: usize = 64 * 1024;

const BLOCK_LEN_MIN: u64 = 1024;
const BLOCK_LEN_SOFT_MAX: u64 = 64 * 1024;
/// A block this long serves a file of 16 TiB.
const BLOCK_LEN_MAX: u64 = 128 * 1024 * 1024;
const HEADER_LEN: usize = 1 + 4 + 8;
const STRONG_LEN: usize = 16;
const BLOCK_SUM_LEN: usize = 4 + STRONG_LEN;
const FORMAT: u8 = 1;

const _: () = assert!(SIGNATURE_LEN_MAX < crate::limits::FRAME_LEN_MAX);

type Strong = [u8; STRONG_LEN];

/// Why bytes are no signature or no delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// Not in this format or cut short.
    #[error("the signature is malformed")]
    Signature,
    /// An op that does not exist, is too long or comes after the end.
    #[error("the delta is malformed")]
    Op,
    /// A copy from beyond the old content.
    #[error("the delta copies what the old content does not hold")]
    Range,
    /// More or less content than was announced.
    #[error("the delta makes content of another length than announced")]
    Length,
    /// The bytes ended before the delta did.
    #[error("the delta ended early")]
    Ended,
}

/// The block length for content of `len` bytes: about `sqrt(24 * len)`, which
/// balances the signature against the literals of a small change.
pub fn block_len(len: u64) -> u32 {
    let balanced = len.saturating_mul(24).isqrt().clamp(BLOCK_LEN_MIN, BLOCK_LEN_SOFT_MAX);
    let block = balanced.max(len.div_ceil(BLOCKS_MAX as u64)).min(BLOCK_LEN_MAX);
    u32::try_from(block).unwrap_or(u32::MAX)
}

fn strong(block: &[u8]) -> Strong {
    let mut sum = [0; STRONG_LEN];
    sum.copy_from_slice(&blake3::hash(block).as_bytes()[..STRONG_LEN]);
    sum
}

/// Makes the signature of old content that is pushed in, in order.
pub struct SignatureBuilder {
    block_len: usize,
    block: Vec<u8>,
    len: u64,
    out: Vec<u8>,
}

impl SignatureBuilder {
    /// For content of about `len` bytes; another length is no error.
    pub fn new(len: u64) -> Self {
        let block_len = block_len(len);
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.push(FORMAT);
        out.extend_from_slice(&block_len.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
        Self { block_len: block_len as usize, block: Vec::new(), len: 0, out }
    }

    /// The next bytes of the content.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len() as u64);
        while !bytes.is_empty() {
            let take = (self.block_len - self.block.len()).min(bytes.len());
            self.block.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.block.len() == self.block_len {
                self.seal();
            }
        }
    }

    /// The signature. Content that grew far beyond the announced length is
    /// signed only as far as a signature may reach; the rest has no match.
    pub fn finish(mut self) -> Vec<u8> {
        if !self.block.is_empty() {
            self.seal();
        }
        let blocks = ((self.out.len() - HEADER_LEN) / BLOCK_SUM_LEN) as u64;
        let signed = self.len.min(blocks.saturating_mul(self.block_len as u64));
        self.out[5..HEADER_LEN].copy_from_slice(&signed.to_be_bytes());
        self.out
    }

    fn seal(&mut self) {
        if self.out.len() + BLOCK_SUM_LEN <= SIGNATURE_LEN_MAX {
            self.out.extend_from_slice(&Rolling::new(&self.block).sum().to_be_bytes());
            self.out.extend_from_slice(&strong(&self.block));
        }
        self.block.clear();
    }
}

/// A parsed signature, arranged for look-up by rolling sum.
pub struct Signature {
    block_len: usize,
    len: u64,
    strong: Vec<Strong>,
    /// `(rolling sum, block)`, sorted by bucket and sum.
    sums: Vec<(u32, u32)>,
    /// Where each bucket begins in `sums`.
    buckets: Vec<u32>,
}

const BUCKET_BITS: u32 = 16;

fn bucket(sum: u32) -> usize {
    (sum.wrapping_mul(0x9e37_79b1) >> (32 - BUCKET_BITS)) as usize
}

impl Signature {
    /// Parses what [`SignatureBuilder`] made; empty bytes are the signature of
    /// nothing.
    ///
    /// # Errors
    /// [`DeltaError::Signature`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DeltaError> {
        if bytes.is_empty() {
            let (strong, sums, buckets) = (Vec::new(), Vec::new(), Vec::new());
            return Ok(Self { block_len: 0, len: 0, strong, sums, buckets });
        }
        let (header, blocks) = bytes.split_at_checked(HEADER_LEN).ok_or(DeltaError::Signature)?;
        let block_len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as u64;
        let mut len = [0; 8];
        len.copy_from_slice(&header[5..]);
        let len = u64::from_be_bytes(len);
        let well_formed = header[0] == FORMAT
            && bytes.len() <= SIGNATURE_LEN_MAX
            && (BLOCK_LEN_MIN..=BLOCK_LEN_MAX).contains(&block_len)
            && blocks.len().is_multiple_of(BLOCK_SUM_LEN)
            && len.div_ceil(block_len) == (blocks.len() / BLOCK_SUM_LEN) as u64;
        if !well_formed {
            return Err(DeltaError::Signature);
        }
        let mut sums = Vec::with_capacity(blocks.len() / BLOCK_SUM_LEN);
        let mut strong = Vec::with_capacity(blocks.len() / BLOCK_SUM_LEN);
        for (index, block) in (0u32..).zip(blocks.chunks_exact(BLOCK_SUM_LEN)) {
            sums.push((u32::from_be_bytes([block[0], block[1], block[2], block[3]]), index));
            let mut sum = [0; STRONG_LEN];
            sum.copy_from_slice(&block[4..]);
            strong.push(sum);
        }
        sums.sort_unstable_by_key(|&(sum, index)| (bucket(sum), sum, index));
        let mut buckets = alloc::vec![0u32; (1 << BUCKET_BITS) + 1];
        for &(sum, _) in &sums {
            buckets[bucket(sum) + 1] += 1;
        }
        for index in 1..buckets.len() {
            buckets[index] += buckets[index - 1];
        }
        let block_len = usize::try_from(block_len).map_err(|_| DeltaError::Signature)?;
        Ok(Self { block_len, len, strong, sums, buckets })
    }

    /// Blocks in it.
    fn count(&self) -> usize {
        self.strong.len()
    }

    /// Where block `index` begins in the old content, and its length.
    fn range(&self, index: usize) -> (u64, u64) {
        let offset = index as u64 * self.block_len as u64;
        (offset, (self.block_len as u64).min(self.len.saturating_sub(offset)))
    }

    /// A full block with this rolling sum that holds `window`; `expected` is
    /// preferred, so that runs of equal blocks become one copy.
    fn find(&self, sum: u32, window: &[u8], expected: usize) -> Option<usize> {
        let bucket = bucket(sum);
        let range = self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize;
        let mut found = None;
        let mut window_strong = None;
        for &(block_sum, index) in &self.sums[range] {
            let index = index as usize;
            if block_sum != sum || self.range(index).1 != window.len() as u64 {
                continue;
            }
            let window_strong = *window_strong.get_or_insert_with(|| strong(window));
            if self.strong[index] != window_strong {
                continue;
            }
            if index == expected {
                return Some(index);
            }
            found = found.or(Some(index));
        }
        found
    }
}
