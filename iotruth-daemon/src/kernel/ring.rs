//! One ring of records, to be drained by one thread.

use std::{fmt, os::fd::BorrowedFd};

use super::{buffer::Buffer, per_cpu::PerCpu, system};

/// An ordered stream of records; all records of a life are in one, in order.
pub struct Ring {
    number: usize,
    records: Records,
}

/// How they travel.
enum Records {
    /// In a BPF ring buffer.
    Buffer(Buffer),
    /// In the rings of each CPU and program.
    PerCpu(PerCpu),
}

impl Ring {
    pub(super) const fn buffer(number: usize, records: Buffer) -> Self {
        Self { number, records: Records::Buffer(records) }
    }

    pub(super) const fn per_cpu(number: usize, records: PerCpu) -> Self {
        Self { number, records: Records::PerCpu(records) }
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
            Records::Buffer(records) => Some(records.wake()),
            Records::PerCpu(_) => None,
        }
    }

    /// Hands up to `limit` records to `handle`, in place and in order, and frees their room.
    ///
    /// Returns how many there were; fewer than `limit` means that those were all that can be handed
    /// out now.
    pub fn drain(&mut self, limit: usize, handle: impl FnMut(&[u8])) -> usize {
        match &mut self.records {
            Records::Buffer(records) => records.drain(limit, handle),
            Records::PerCpu(records) => records.drain(limit, system::monotonic, handle),
        }
    }

    /// How full it was found since this was asked before, as a part of it: the fullest of the rings of
    /// each CPU and program. What a BPF ring buffer had is what was taken until nothing was left.
    pub const fn take_fill(&mut self) -> f64 {
        match &mut self.records {
            Records::Buffer(records) => records.take_fill(),
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
    pub fn had_two_writers(&self) -> bool {
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
