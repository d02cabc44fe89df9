//! Records in batches, so that what is known of their addresses is on its way before it is needed.
//!
//! With many requests open, what is known of them is in no cache. A look into memory takes as long as
//! several events, and ten looks at the same time take no longer than one. So where that is so, records are
//! collected, a few at a time, and the lines that they will need are asked for as they come. A
//! BPF ring buffer gives the room of a record back as soon as it is asked for the next one, so they are
//! copied.

use iotruth_common::record::{CompleteRecord, RequestRecord, SubmitRecord};

use super::{engine::Engine, table::Key};

/// Records of a batch: as many as are in the caches' hands at a time.
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

/// Records that wait until there are enough of them.
#[derive(Debug)]
pub(super) struct Batch {
    records: [Copied; RECORDS],
    count: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { records: [Copied { bytes: [0; LONG], length: 0 }; RECORDS], count: 0 }
    }
}

impl Batch {
    /// Copies a record; its address, or `None` where it has the length of none, or there is no room.
    #[inline]
    fn copy(&mut self, bytes: &[u8]) -> Option<u64> {
        let place = self.records.get_mut(self.count)?;
        match bytes.len() {
            LONG => copy::<LONG>(place, bytes)?,
            MIDDLE => copy::<MIDDLE>(place, bytes)?,
            SHORT => copy::<SHORT>(place, bytes)?,
            _ => return None,
        }
        self.count += 1;
        bytes.get(REQUEST..)?.first_chunk().copied().map(u64::from_ne_bytes)
    }
}

/// Where a record has the address of its request.
const REQUEST: usize = std::mem::offset_of!(RequestRecord, request);

/// The length is known when this is compiled, so that it takes no loop.
#[inline]
fn copy<const LENGTH: usize>(place: &mut Copied, bytes: &[u8]) -> Option<()> {
    *place.bytes.first_chunk_mut::<LENGTH>()? = *bytes.first_chunk()?;
    place.length = LENGTH;
    Some(())
}

/// Takes the records of one ring, as [`Engine::record`] takes one.
#[derive(Debug)]
#[must_use]
pub struct Records<'a> {
    engine: &'a mut Engine,
    ring: usize,
    /// Where the table is small enough for the caches, each is taken at once.
    batch: Option<Box<Batch>>,
}

impl Engine {
    /// To be given the records of a ring, in their order; [`Records::finish`] is to follow.
    pub fn records(&mut self, ring: usize) -> Records<'_> {
        if self.table.is_large() {
            self.batches(ring)
        } else {
            Records { engine: self, ring, batch: None }
        }
    }

    /// The same, however small the table is.
    pub(super) fn batches(&mut self, ring: usize) -> Records<'_> {
        let batch = Some(self.batch.take().unwrap_or_default());
        Records { engine: self, ring, batch }
    }
}

impl Records<'_> {
    /// Takes a record, aligned to 8 bytes.
    #[inline]
    pub fn take(&mut self, bytes: &[u8]) {
        let Some(batch) = &mut self.batch else {
            self.engine.record(self.ring, bytes);
            return;
        };
        if let Some(request) = batch.copy(bytes) {
            self.engine.table.prefetch(Key { request, ring: self.ring as u8 });
            if batch.count == RECORDS {
                self.flush();
            }
        } else {
            // It cannot be read, and in its turn it is told to be lost.
            self.flush();
            self.engine.record(self.ring, bytes);
        }
    }

    /// Takes what was copied.
    fn flush(&mut self) {
        let Some(batch) = &mut self.batch else { return };
        for record in batch.records.iter().take(std::mem::take(&mut batch.count)) {
            let bytes = record.bytes.get(..record.length).unwrap_or_default();
            self.engine.record(self.ring, bytes);
        }
    }

    /// No more records come now.
    pub fn finish(mut self) {
        self.flush();
        if self.batch.is_some() {
            self.engine.batch = self.batch;
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
        let mut records = kernel.engine.batches(0);
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
