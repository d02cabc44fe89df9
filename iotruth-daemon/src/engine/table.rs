//! The join table: what is known of each request address.
//!
//! One flat array with linear probing. Every record looks up one key, several times over, and with a
//! hundred thousand requests open each look into memory that is in no cache costs more than all the
//! arithmetic of an event: so a key mostly lies in the first place that is looked at, and the last
//! one that was found is not looked for again.

use iotruth_common::record::RequestRecord;

use super::{account::Group, life::Life, plain::Plain, prefetch::prefetch, spread::GOLDEN};

/// Most addresses that are remembered. A host has as many as its queues have tags: about 1,000 for
/// each disk.
pub(super) const MAX_ADDRESSES: usize = 1 << 20;

/// Addresses without an open life are forgotten above this number, the longest unused first.
const KEEP_CLOSED: usize = 1 << 14;

/// How long an address without an open life is remembered when there are too many, in nanoseconds.
const KEEP_CLOSED_FOR: u64 = 10_000_000_000;

/// The smallest array.
const MIN_PLACES: usize = 1 << 8;

/// What caches hold that belong to one CPU, in bytes, beside all else that is in them.
const CACHED: usize = 256 * 1024;

/// What lives are joined by: a request address, and the ring that its records come through.
///
/// Queues of one tag set share their requests: the LUNs of a host, the namespaces of a
/// controller (`blk_mq_alloc_map_and_rqs` makes the requests for the set). One address may thus
/// serve hardware queues of two rings in turn, and two rings are in no order with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    /// The place, of so many, where it is looked for first.
    #[inline]
    const fn home(self, places: usize) -> usize {
        // The block layer lays requests out one after the other, each of whole cache lines of 64
        // bytes. Multiples of the golden ratio lie apart from each other, as leaves around a stem do:
        // such rows collide less than if they were strewn at random.
        let row = self.request.rotate_right(6).wrapping_add((self.ring as u64) << 48);
        let spread = row.wrapping_mul(GOLDEN);
        // The upper half of the product is below `places`, whatever that is, and takes no division.
        ((spread as u128 * places as u128) >> 64) as usize
    }
}

/// The open life of an address.
#[derive(Debug)]
pub(super) enum Occupant {
    /// There is none.
    Nobody,
    /// Nothing but figures is to be told of it so far.
    Plain(Plain),
    /// Any other.
    Whole(Box<Life>),
}

impl Occupant {
    /// Whether there is none.
    pub(super) const fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }
}

/// A request that device mapper has made for another one. Whether it was dispatched or dropped, nothing
/// may tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Number of its disk in the device table.
    pub(super) device: u16,
    /// What the statistics count it as.
    pub(super) group: Group,
}

/// What is known of one request address: a cache line, for its table is larger than any cache.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Address {
    request: u64,
    /// Time of the last event.
    pub(super) last: u64,
    /// What had been lost, refused by the ring and blind intervals: where a plain life is open, at its
    /// first event, else when the last life ended here. Zeros for an address that is new, which is
    /// right where nothing was ever lost.
    pub(super) lost: (u32, u32),
    /// The open life, if there is one.
    pub(super) open: Occupant,
    ring: u8,
    /// A life was seen to end here since all programs are attached, so what follows is new.
    pub(super) synced: bool,
    /// The clone of request-based device mapper that it was marked as since its last end.
    pub(super) clone: Option<Mark>,
    /// The last life ended with data completed by the driver, so device mapper may complete it once
    /// more, without bytes.
    pub(super) echo: bool,
}

// An empty place takes no byte of its own.
const _: () = assert!(size_of::<Option<Address>>() == 64);

impl Address {
    const fn new(key: Key) -> Self {
        Self {
            request: key.request,
            last: 0,
            lost: (0, 0),
            open: Occupant::Nobody,
            ring: key.ring,
            synced: false,
            clone: None,
            echo: false,
        }
    }

    /// Forgets all that was known of it, also its open life.
    pub(super) fn forget(&mut self) {
        *self = Self { last: self.last, ..Self::new(self.key()) };
    }

    const fn key(&self) -> Key {
        Key { request: self.request, ring: self.ring }
    }

    /// Puts a plain life where nobody is.
    #[expect(
        clippy::inline_always,
        reason = "its parts go where they stay: put together elsewhere first, they would be copied by \
                  loads that are wider than the stores before them, and such loads wait"
    )]
    #[inline(always)]
    pub(super) fn occupy(&mut self, plain: Plain) {
        self.leave_to(Occupant::Plain(plain));
    }

    /// Puts nobody where a plain life is.
    #[inline]
    pub(super) fn vacate(&mut self) {
        self.leave_to(Occupant::Nobody);
    }

    /// Neither nobody nor a plain life has anything to be dropped, which only whoever calls this can
    /// know.
    #[inline]
    fn leave_to(&mut self, next: Occupant) {
        std::mem::forget(std::mem::replace(&mut self.open, next));
    }

    /// The open life, if it is there as a whole.
    pub(super) fn whole(&mut self) -> Option<&mut Box<Life>> {
        match &mut self.open {
            Occupant::Whole(life) => Some(life),
            Occupant::Plain(_) | Occupant::Nobody => None,
        }
    }

    /// When the open life began, if there is one.
    pub(super) fn first(&self) -> Option<u64> {
        match &self.open {
            Occupant::Nobody => None,
            Occupant::Plain(plain) => Some(self.last - u64::from(plain.lasted)),
            Occupant::Whole(life) => Some(life.first),
        }
    }
}

/// All request addresses.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// At least a fifth of them are empty, so that looking for a key ends soon.
    places: Vec<Option<Address>>,
    used: usize,
    /// Where a key was last found.
    found: usize,
    /// How many new keys have asked for a place since unused ones were last forgotten, and after how
    /// many that happens again.
    wanted: usize,
    next_purge: usize,
}

impl Table {
    /// What is known of `key`; `None` where it is new and there is no room for it.
    #[inline]
    pub(super) fn address(&mut self, key: Key, now: u64) -> Option<&mut Address> {
        if !self.is_at(self.found, key) {
            self.found = match self.find(key) {
                Ok(place) => place,
                Err(_) => self.insert(key, now)?,
            };
        }
        self.found()
    }

    /// Whether it is larger than the caches that belong to one CPU.
    pub(super) const fn is_large(&self) -> bool {
        self.places.len() * size_of::<Option<Address>>() > CACHED
    }

    /// Asks for the place where a key is looked for first.
    #[inline]
    pub(super) fn prefetch(&self, key: Key) {
        if let Some(place) = self.places.get(key.home(self.places.len())) {
            prefetch(place);
        }
    }

    /// What is known of `key`, if anything, where a record is the first to ask for it.
    #[inline]
    pub(super) fn seek(&mut self, key: Key) -> Option<&mut Address> {
        // Two records in a row are seldom of one address.
        self.found = self.find(key).ok()?;
        self.found()
    }

    /// The address that was found last.
    #[inline]
    pub(super) fn found(&mut self) -> Option<&mut Address> {
        self.places.get_mut(self.found)?.as_mut()
    }

    /// What is known of `key`, if anything.
    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Address> {
        if !self.is_at(self.found, key) {
            self.found = self.find(key).ok()?;
        }
        self.found()
    }

    /// Every address, in no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut Address)> {
        self.places.iter_mut().flatten().map(|address| (address.key(), address))
    }

    #[inline]
    fn is_at(&self, place: usize, key: Key) -> bool {
        matches!(self.places.get(place), Some(Some(address)) if address.key() == key)
    }

    /// The place of a key, or the empty one where it would have to be.
    #[inline]
    fn find(&self, key: Key) -> Result<usize, usize> {
        let mut place = key.home(self.places.len());
        while let Some(Some(address)) = self.places.get(place) {
            if address.key() == key {
                return Ok(place);
            }
            place += 1;
            if place == self.places.len() {
                place = 0;
            }
        }
        Err(place)
    }

    /// Makes a place for a key that has none.
    #[cold]
    fn insert(&mut self, key: Key, now: u64) -> Option<usize> {
        self.wanted += 1;
        if self.used >= KEEP_CLOSED && self.wanted > self.next_purge {
            self.purge(now);
        }
        if self.used >= MAX_ADDRESSES {
            return None;
        }
        if self.used >= self.places.len() / 5 * 4 {
            self.rebuild(self.places.len() + self.places.len() / 2, |_| true);
        }
        let (Ok(place) | Err(place)) = self.find(key);
        *self.places.get_mut(place)? = Some(Address::new(key));
        self.used += 1;
        Some(place)
    }

    /// Forgets addresses without an open life: an elevator switch leaves hundreds behind.
    fn purge(&mut self, now: u64) {
        let recent = now.saturating_sub(KEEP_CLOSED_FOR);
        let places = self.places.len();
        self.rebuild(places, |address| {
            // A mark says what the kernel may have counted.
            let marked = address.clone.is_some();
            marked || !address.open.is_nobody() || address.last > recent
        });
        if self.used >= MAX_ADDRESSES {
            self.rebuild(places, |address| !address.open.is_nobody());
        }
        // The next look is worth its cost only after the table has grown by a half, or, where it is
        // full, would have.
        self.wanted = 0;
        self.next_purge = self.used / 2;
    }

    /// Puts those that are kept into an array of so many places.
    fn rebuild(&mut self, places: usize, keep: impl Fn(&Address) -> bool) {
        let mut empty = Vec::new();
        empty.resize_with(places.max(MIN_PLACES), || None);
        let old = std::mem::replace(&mut self.places, empty);
        self.used = 0;
        for address in old.into_iter().flatten().filter(keep) {
            if let Err(place) = self.find(address.key())
                && let Some(empty) = self.places.get_mut(place)
            {
                *empty = Some(address);
                self.used += 1;
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use std::collections::BTreeSet;

    use super::{KEEP_CLOSED, KEEP_CLOSED_FOR, Key, MAX_ADDRESSES, Table};
    use crate::engine::Sample;

    fn key(request: u64) -> Key {
        Key { request, ring: 0 }
    }

    #[test]
    fn unused_addresses_are_forgotten() {
        let mut table = Table::default();
        for request in 0..KEEP_CLOSED as u64 {
            table.address(key(request * 64), 1).unwrap().last = 1;
        }
        let now = KEEP_CLOSED_FOR + 2;
        table.address(key(1 << 40), now).unwrap().last = now;
        assert_eq!(table.used, 1);
        assert_eq!(table.iter_mut().count(), 1);
        assert!(table.get_mut(key(64)).is_none());
        assert!(table.get_mut(key(1 << 40)).is_some());
    }

    #[test]
    fn each_key_keeps_what_is_its_own_while_the_table_grows() {
        let mut table = Table::default();
        assert!(table.get_mut(key(0)).is_none());
        for request in 0..10_000_u64 {
            for ring in 0..2 {
                let address = table.address(Key { request: request * 448, ring }, 1).unwrap();
                address.last = 1 + request * 2 + u64::from(ring);
            }
        }
        let times: BTreeSet<u64> = table.iter_mut().map(|(_, address)| address.last).collect();
        assert_eq!(times.len(), 20_000);
        for request in (0..10_000_u64).rev() {
            let key = Key { request: request * 448, ring: 1 };
            assert_eq!(table.get_mut(key).unwrap().last, request * 2 + 2);
            assert_eq!(table.address(key, 1).unwrap().last, request * 2 + 2);
        }
        assert!(table.used <= table.places.len() / 5 * 4);
    }

    #[test]
    fn rows_of_requests_hardly_collide() {
        let samples =
            [Sample::ALL, Sample { one_in: 2, salt: 0 }, Sample { one_in: 8, salt: 77 << 32 }];
        for (stride, sample) in [256, 320, 448, 512, 576, 4096]
            .into_iter()
            .flat_map(|stride| samples.map(|sample| (stride, sample)))
        {
            let mut table = Table::default();
            let requests = (0..).map(|number| 0xffff_8881_0000_0000 + number * stride);
            for request in requests.filter(|request| sample.follows(*request, 0)).take(100_000) {
                table.address(key(request), 1).unwrap().last = 2;
            }
            let count = table.places.len();
            let away: usize = (0..count)
                .filter_map(|place| {
                    let home = table.places[place].as_ref()?.key().home(count);
                    Some((place + count - home) % count)
                })
                .sum();
            let most = if sample.is_all() { 50_000 } else { 100_000 };
            assert!(away < most, "stride {stride}, {sample:?}: {away} places too far in all");
        }
    }

    #[test]
    fn a_full_table_forgets_what_is_not_in_use() {
        let mut table = Table::default();
        for request in 0..MAX_ADDRESSES as u64 {
            table.address(key(request), 1).unwrap().last = u64::MAX;
        }
        assert_eq!(table.used, MAX_ADDRESSES);
        // Not with each that wants a place: looking at a million addresses takes a while.
        let refused = (0..MAX_ADDRESSES / 2)
            .take_while(|_| table.address(key(u64::MAX), 1).is_none())
            .count();
        assert!((1..MAX_ADDRESSES / 2).contains(&refused), "{refused}");
        assert_eq!(table.used, 1);
    }
}
