//! The join table: what is known of each request address.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use iotruth_common::record::RequestRecord;

use super::life::Life;

/// Most addresses that are remembered. A host has as many as its queues have tags: about 1,000 for
/// each disk.
pub(super) const MAX_ADDRESSES: usize = 1 << 20;

/// Addresses without an open life are forgotten above this number, the longest unused first.
const KEEP_CLOSED: usize = 1 << 14;

/// How long an address without an open life is remembered when there are too many, in nanoseconds.
const KEEP_CLOSED_FOR: u64 = 10_000_000_000;

/// What lives are joined by: a request address, and the ring that its records come through.
///
/// Queues of one tag set share their requests: the LUNs of a host, the namespaces of a
/// controller (`blk_mq_alloc_map_and_rqs` makes the requests for the set). One address may thus
/// serve hardware queues of two rings in turn, and two rings are in no order with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) request: u64,
    pub(super) ring: u8,
}

impl Key {
    /// Where the life of a record is looked up.
    #[inline]
    pub(super) const fn new(ring: u8, head: &RequestRecord) -> Self {
        Self { request: head.request, ring }
    }
}

/// What is known of one request address.
#[derive(Debug, Default)]
pub(super) struct Address {
    /// A life was seen to end here since all programs are attached, so what follows is new.
    pub(super) synced: bool,
    /// Marked as a clone of request-based device mapper since its last end.
    pub(super) clone: bool,
    /// `cmd_flags` of that clone.
    pub(super) clone_flags: u32,
    /// The last life ended with data completed by the driver, so device mapper may complete it once
    /// more, without bytes.
    pub(super) echo: bool,
    /// What had been lost when the last life ended here: refused by the ring, and blind intervals.
    /// Zeros for an address that is new, which is right where nothing was ever lost.
    pub(super) lost: (u32, u32),
    /// Time of the last event.
    pub(super) last: u64,
    /// The open life, if there is one.
    pub(super) life: Option<Box<Life>>,
}

/// All request addresses.
#[derive(Debug, Default)]
pub(super) struct Table {
    addresses: HashMap<Key, Address, BuildHasherDefault<AddressHasher>>,
    next_purge: usize,
}

impl Table {
    /// What is known of `key`; `None` where it is new and there is no room for it.
    #[inline]
    pub(super) fn address(&mut self, key: Key, now: u64) -> Option<&mut Address> {
        if self.addresses.len() >= self.next_purge.max(KEEP_CLOSED) {
            self.purge(now);
        }
        let full = self.addresses.len() >= MAX_ADDRESSES;
        if full && !self.addresses.contains_key(&key) {
            return None;
        }
        Some(self.addresses.entry(key).or_default())
    }

    /// What is known of `key`, if anything.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Address> {
        self.addresses.get_mut(&key)
    }

    /// Every address, in no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut Address)> {
        self.addresses.iter_mut().map(|(key, address)| (*key, address))
    }

    /// Forgets addresses without an open life: an elevator switch leaves hundreds behind.
    fn purge(&mut self, now: u64) {
        let recent = now.saturating_sub(KEEP_CLOSED_FOR);
        self.addresses.retain(|_, address| address.life.is_some() || address.last > recent);
        if self.addresses.len() >= MAX_ADDRESSES {
            self.addresses.retain(|_, address| address.life.is_some());
        }
        // The next look is worth its cost only after the table has grown by a half.
        self.next_purge = self.addresses.len() + self.addresses.len() / 2;
    }
}

/// Spreads addresses, which are multiples of 64 and differ in their middle bits.
#[derive(Debug, Default)]
pub(super) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    /// The ring, which comes after the address.
    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.0 ^= u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        let product = u128::from(value) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use super::{KEEP_CLOSED, KEEP_CLOSED_FOR, Key, Table};

    #[test]
    fn unused_addresses_are_forgotten() {
        let mut table = Table::default();
        for request in 0..KEEP_CLOSED as u64 {
            table.address(Key { request: request * 64, ring: 0 }, 1).unwrap().last = 1;
        }
        let now = KEEP_CLOSED_FOR + 2;
        table.address(Key { request: 1 << 40, ring: 0 }, now).unwrap().last = now;
        assert_eq!(table.addresses.len(), 1);
    }
}
