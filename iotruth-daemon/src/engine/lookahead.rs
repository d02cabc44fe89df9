//! Records that wait in a row, so that what is known of their addresses is there when their turn comes.
//!
//! With many requests open, what is known of them is in no cache. A look into memory takes as long as
//! several events, and ten looks at the same time take no longer than one. So where that is so, the line
//! that a record needs is asked for when it comes, and the record is taken when some more have come:
//! meanwhile those before it are worked on. A BPF ring buffer gives the room of a record back as soon as
//! it is asked for the next one, so they are copied.

use iotruth_common::record::{CompleteRecord, RequestRecord, SubmitRecord};

use super::{engine::Engine, table::Key};

/// How many records wait: as many looks into memory as a processor takes at a time.
const RECORDS: usize = 16;

/// Bytes of the largest record, and of the others.
const LONG: usize = size_of::<SubmitRecord>();
const MIDDLE: usize = size_of::<CompleteRecord>();
const SHORT: usize = size_of::<RequestRecord>();

/// A copy of a record, aligned as it has to be.
#[derive(Clone, Copy, Debug)]
#[repr(align(8))]
struct Copied {
    bytes: [u8; LONG],
    length: usize,
}

impl Copied {
    const EMPTY: Self = Self { bytes: [0; LONG], length: 0 };

    /// Copies a record; its address, or `None` where it has the length of none.
    #[inline]
    fn copy(&mut self, bytes: &[u8]) -> Option<u64> {
        match bytes.len() {
            LONG => self.copy_all::<LONG>(bytes)?,
            MIDDLE => self.copy_all::<MIDDLE>(bytes)?,
            SHORT => self.copy_all::<SHORT>(bytes)?,
            _ => return None,
        }
        bytes.get(REQUEST..)?.first_chunk().copied().map(u64::from_ne_bytes)
    }

    /// The length is known when this is compiled, so that it takes no loop.
    #[inline]
    fn copy_all<const LENGTH: usize>(&mut self, bytes: &[u8]) -> Option<()> {
        *self.bytes.first_chunk_mut::<LENGTH>()? = *bytes.first_chunk()?;
        self.length = LENGTH;
        Some(())
    }

    fn record(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Records that wait for their turn.
#[derive(Debug)]
pub(super) struct Lookahead {
    /// In a circle.
    records: [Copied; RECORDS],
    /// How many have come, and how many have had their turn.
    come: usize,
    taken: usize,
}

impl Default for Lookahead {
    fn default() -> Self {
        Self { records: [Copied::EMPTY; RECORDS], come: 0, taken: 0 }
    }
}

/// Where a record has the address of its request.
const REQUEST: usize = std::mem::offset_of!(RequestRecord, request);

/// Takes the records of one ring, as [`Engine::record`] takes one.
#[derive(Debug)]
#[must_use]
pub struct Records<'a> {
    engine: &'a mut Engine,
    ring: usize,
    /// Where the table is small enough for the caches, each is taken at once.
    lookahead: Option<Box<Lookahead>>,
}

impl Engine {
    /// To be given the records of a ring, in their order; [`Records::finish`] is to follow.
    pub fn records(&mut self, ring: usize) -> Records<'_> {
        if self.table.is_large() {
            self.records_ahead(ring)
        } else {
            Records { engine: self, ring, lookahead: None }
        }
    }

    /// The same, however small the table is.
    pub(super) fn records_ahead(&mut self, ring: usize) -> Records<'_> {
        let lookahead = Some(self.lookahead.take().unwrap_or_default());
        Records { engine: self, ring, lookahead }
    }
}

impl Records<'_> {
    /// Takes a record, aligned to 8 bytes.
    #[inline]
    pub fn take(&mut self, bytes: &[u8]) {
        if self.lookahead.is_none() {
            self.engine.record(self.ring, bytes);
        } else {
            self.take_later(bytes);
        }
    }

    /// Lets a record wait, and takes the one that has waited longest where there is no room.
    ///
    /// A function of its own, so that what is taken at once does not pay for it.
    #[inline(never)]
    fn take_later(&mut self, bytes: &[u8]) {
        let Some(lookahead) = &mut self.lookahead else { return };
        let place = &mut lookahead.records[lookahead.come % RECORDS];
        if lookahead.come - lookahead.taken == RECORDS {
            self.engine.record(self.ring, place.record());
            lookahead.taken += 1;
        }
        if let Some(request) = place.copy(bytes) {
            lookahead.come += 1;
            self.engine.table.prefetch(Key { request, ring: self.ring as u8 });
        } else {
            // It cannot be read, and in its turn it is told to be lost.
            self.drain();
            self.engine.record(self.ring, bytes);
        }
    }

    /// Takes what waits.
    fn drain(&mut self) {
        let Some(lookahead) = &mut self.lookahead else { return };
        while lookahead.taken != lookahead.come {
            let record = lookahead.records[lookahead.taken % RECORDS].record();
            self.engine.record(self.ring, record);
            lookahead.taken += 1;
        }
    }

    /// No more records come now.
    pub fn finish(mut self) {
        self.drain();
        if self.lookahead.is_some() {
            self.engine.lookahead = self.lookahead;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use iotruth_common::{
        probe::{Probe, Program},
        record::{RequestRecord, SubmitRecord},
    };

    use super::RECORDS;
    use crate::engine::{snapshot::Loss, synthetic::Kernel};

    #[test]
    fn what_is_no_record_is_lost_in_its_turn() {
        let mut kernel = Kernel::new();
        let mut records = kernel.engine.records_ahead(0);
        for attempt in 1..=RECORDS as u32 + 3 {
            let request = RequestRecord {
                attempt,
                time: attempt.into(),
                program: Program::only(Probe::Insert).to_wire(),
                ..RequestRecord::zeroed()
            };
            let record = SubmitRecord { request, ..SubmitRecord::zeroed() };
            let bytes = bytemuck::bytes_of(&record);
            // The number of what could not be read is missing from the next one, which is no loss more.
            records.take(if attempt == 3 { &bytes[..72] } else { bytes });
        }
        records.finish();
        let snapshot = kernel.engine.snapshot(kernel.now);
        assert_eq!(snapshot.losses[Loss::Late as usize], 1);
        assert_eq!(snapshot.losses[Loss::UserQueue as usize], 0);
        assert_eq!(snapshot.probes[Probe::Insert as usize].received, RECORDS as u64 + 2);
    }
}
