//! What happened in a life, event by event.

use iotruth_common::probe::Probe;

/// One event of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineEvent {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Which event.
    pub probe: Probe,
    /// `rq->state` at the event: 0 idle, 1 in flight, 2 complete.
    pub state: u8,
    /// The CPU that it happened on.
    pub cpu: u16,
    /// Bytes still to be transferred at the event.
    pub remaining: u32,
    /// For a completion, the bytes that ended with it; else 0.
    pub completed: u32,
    /// For a completion, its raw status (`blk_status_t`, or negative errno on old kernels); else 0.
    pub status: i32,
}

/// The first and the last events of a life, and how many between them were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// In order of time.
    pub events: Vec<TimelineEvent>,
    /// Events that were left out after the first [`Timeline::FIRST`].
    pub left_out: u32,
}

impl Timeline {
    /// How many of the first events are kept.
    pub const FIRST: usize = 8;
    /// How many of the last events are kept.
    pub const LAST: usize = 24;
}
