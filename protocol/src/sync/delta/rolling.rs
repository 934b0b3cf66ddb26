//! The rolling sum: moves over content byte by byte at constant cost. Knows
//! nothing of blocks or files.

/// Adler-like sum of a window; see Tridgell's thesis, chapter 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rolling {
    low: u32,
    high: u32,
    len: u32,
}

/// Added to each byte, so that runs of zeros of different length differ.
const OFFSET: u32 = 31;

impl Rolling {
    pub(super) fn new(window: &[u8]) -> Self {
        let (mut low, mut high) = (0u32, 0u32);
        for byte in window {
            low = low.wrapping_add(u32::from(*byte) + OFFSET);
            high = high.wrapping_add(low);
        }
        // Windows are blocks, far below 4 GiB; a longer one would only sum badly.
        Self { low, high, len: u32::try_from(window.len()).unwrap_or(u32::MAX) }
    }

    /// Moves one byte on: `old` leaves at the front, `new` comes at the back.
    pub(super) fn roll(&mut self, old: u8, new: u8) {
        let old = u32::from(old) + OFFSET;
        self.low = self.low.wrapping_sub(old).wrapping_add(u32::from(new) + OFFSET);
        self.high = self.high.wrapping_sub(self.len.wrapping_mul(old)).wrapping_add(self.low);
    }

    pub(super) fn sum(self) -> u32 {
        (self.low & 0xffff) | (self.high << 16)
    }
}
