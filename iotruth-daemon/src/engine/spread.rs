//! Spreading numbers that differ in few bits over all bits, for tables.
//!
//! The kernel makes the numbers, and nobody gains from making them collide: no secret is needed,
//! and a look costs a multiplication instead of some sixty instructions.

use std::hash::Hasher;

/// 2^64 divided by the golden ratio.
pub(super) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// For maps of the standard library.
#[derive(Debug, Default)]
pub(super) struct Spreader(u64);

impl Hasher for Spreader {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    /// The maps use the upper bits and the lower ones.
    #[inline]
    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0.rotate_left(32) ^ value) * u128::from(GOLDEN);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}
