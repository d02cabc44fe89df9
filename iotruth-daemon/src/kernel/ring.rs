//! One ring of records, to be drained by one thread.

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
};

use aya::maps::{MapData, RingBuf};

use super::{per_cpu::PerCpu, system};

/// An ordered stream of records; all records of a life are in one, in order.
pub struct Ring {
    number: usize,
    records: Records,
    /// Bytes of a BPF ring buffer.
    bytes: usize,
    /// Bytes that were taken since nothing was left in it.
    taken: usize,
    /// How full it was found, at most, since that was asked.
    fullest: f64,
}

/// What a BPF ring buffer has before each record, in bytes.
const HEADER: usize = 8;

/// How they travel.
enum Records {
    /// In a BPF ring buffer.
    Buffer(RingBuf<MapData>),
    /// In the rings of each CPU and program.
    PerCpu(PerCpu),
}

impl Ring {
    pub(super) const fn buffer(number: usize, records: RingBuf<MapData>, bytes: u32) -> Self {
        let records = Records::Buffer(records);
        Self { number, records, bytes: bytes as usize, taken: 0, fullest: 0.0 }
    }

    pub(super) const fn per_cpu(records: PerCpu) -> Self {
        Self { number: 0, records: Records::PerCpu(records), bytes: 0, taken: 0, fullest: 0.0 }
    }

    /// Which ring this is: the index in [`super::Counters`].
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// What becomes readable when a program wakes the reader; `None` where none ever does.
    ///
    /// It also *is* readable for as long as records are left. Poll it edge-triggered, and drain on a
    /// tick besides: programs wake nobody before the ring is filled up to the mark.
    #[must_use]
    pub fn wake(&self) -> Option<BorrowedFd<'_>> {
        match &self.records {
            Records::Buffer(records) => Some(records.as_fd()),
            Records::PerCpu(_) => None,
        }
    }

    /// Hands up to `limit` records to `handle`, in place and in order, and frees their room.
    ///
    /// Returns how many there were; fewer than `limit` means that those were all that can be handed
    /// out now.
    pub fn drain(&mut self, limit: usize, mut handle: impl FnMut(&[u8])) -> usize {
        match &mut self.records {
            Records::Buffer(records) => {
                let mut drained = 0;
                while drained < limit {
                    let Some(record) = records.next() else { break };
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
            Records::PerCpu(records) => records.drain(limit, system::monotonic, handle),
        }
    }

    /// How full it was found since this was asked before, as a part of it: the fullest of the rings of
    /// each CPU and program. What a BPF ring buffer had is what was taken until nothing was left.
    pub fn take_fill(&mut self) -> f64 {
        match &mut self.records {
            Records::Buffer(_) => std::mem::take(&mut self.fullest),
            Records::PerCpu(records) => records.take_fill(),
        }
    }

    /// After [`Self::drain`] handed out less than it might have: nothing is missing that was written
    /// before both that call and this time, in nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn reached(&self) -> u64 {
        match &self.records {
            Records::Buffer(_) => u64::MAX,
            Records::PerCpu(records) => records.reached(),
        }
    }

    /// Says that no program runs any more, so that nothing has to be waited for.
    pub const fn end(&mut self) {
        match &mut self.records {
            Records::Buffer(_) => {}
            Records::PerCpu(records) => records.end(),
        }
    }

    /// Whether two programs have written at the same time what only one at a time may write: then
    /// this transport is not right on this kernel. What they wrote is told to be lost.
    #[must_use]
    pub const fn had_two_writers(&self) -> bool {
        match &self.records {
            Records::Buffer(_) => false,
            Records::PerCpu(records) => records.had_two_writers(),
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("number", &self.number).finish_non_exhaustive()
    }
}
