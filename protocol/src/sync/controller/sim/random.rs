//! A seeded source of choices.

use super::*;

/// A small generator, so that a seed is a whole script.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn path(&mut self) -> RelPath {
        let mut path = RelPath::root();
        for _ in 0..=self.below(3) {
            let name = [b'a' + u8::try_from(self.below(4)).unwrap()];
            path = path.join(&name).unwrap();
        }
        path
    }
}
