//! One BPF ring buffer, as it is read.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{MapData, RingBuf};

/// What it has before each record, in bytes.
const HEADER: usize = 8;

/// One BPF ring buffer, and how full it was found.
pub(super) struct Buffer {
    records: RingBuf<MapData>,
    bytes: usize,
    /// Bytes that were taken since nothing was left in it.
    taken: usize,
    fullest: f64,
}

impl Buffer {
    /// One of so many bytes.
    pub(super) const fn new(records: RingBuf<MapData>, bytes: u32) -> Self {
        Self { records, bytes: bytes as usize, taken: 0, fullest: 0.0 }
    }

    /// What becomes readable when a program wakes the reader.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.records.as_fd()
    }

    /// Hands up to `limit` records to `handle`, in place and in order, and says how many there were.
    pub(super) fn drain(&mut self, limit: usize, mut handle: impl FnMut(&[u8])) -> usize {
        let mut drained = 0;
        while drained < limit {
            let Some(record) = self.records.next() else { break };
            handle(&record);
            drained += 1;
            self.taken += record.len() + HEADER;
        }
        self.fullest = self.fullest.max(self.taken as f64 / self.bytes as f64).min(1.0);
        if drained < limit {
            self.taken = 0;
        }
        drained
    }

    /// How full it was since this was asked before: what was taken until nothing was left.
    pub(super) const fn take_fill(&mut self) -> f64 {
        std::mem::replace(&mut self.fullest, 0.0)
    }
}
