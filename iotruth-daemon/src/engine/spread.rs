//! Spreading numbers that differ in few bits over all bits, for tables.
//!
//! The kernel makes the numbers, and nobody gains from making them collide: no secret is needed,
//! and a look costs one multiplication instead of some sixty instructions.

use std::hash::Hasher;

/// Spreads one number: addresses are multiples of 64 and differ in their middle bits.
#[inline]
pub(super) const fn spread(value: u64) -> u64 {
    let product = value as u128 * 0x9e37_79b9_7f4a_7c15_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

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

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.0 = spread(self.0.rotate_left(32) ^ value);
    }
}
