//! One ring of records, to be drained by one thread.

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{MapData, RingBuf};

/// One shard of the records; all records of a life are in one ring, in order.
///
/// The file descriptor becomes readable when a program wakes the reader, but it also *is* readable
/// for as long as records are left. Poll it edge-triggered, and drain on a tick besides: programs
/// wake nobody before the ring is filled up to the mark.
pub struct Ring {
    number: usize,
    records: RingBuf<MapData>,
}

impl Ring {
    pub(super) const fn new(number: usize, records: RingBuf<MapData>) -> Self {
        Self { number, records }
    }

    /// Which ring this is: the index in [`super::Counters`].
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// Hands up to `limit` records to `handle`, in place, and frees their room one by one.
    ///
    /// Returns how many there were; fewer than `limit` means that the ring was empty, or that the
    /// next record is reserved but not yet submitted.
    pub fn drain(&mut self, limit: usize, mut handle: impl FnMut(&[u8])) -> usize {
        let mut drained = 0;
        while drained < limit {
            let Some(record) = self.records.next() else { break };
            handle(&record);
            drained += 1;
        }
        drained
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.records.as_fd()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("number", &self.number).finish_non_exhaustive()
    }
}
