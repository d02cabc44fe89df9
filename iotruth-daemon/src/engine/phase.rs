//! The phases of a life. Their durations add up: queue + retry + device + flush = total.

/// A part of a life whose duration is measured; a closed set of label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Start (or insert) to first issue, less a flush before the data.
    Queue,
    /// First to last issue: attempts that failed or were sent back.
    Retry,
    /// Last issue to the completion of the data.
    Device,
    /// The flushes before and after the data of a flush sequence.
    Flush,
    /// First event of the life to its end.
    Total,
}

/// How many phases there are; the length of every per-phase table.
pub const PHASES: usize = 5;

impl Phase {
    /// Every phase, in the order of their numbers.
    pub const ALL: [Self; PHASES] =
        [Self::Queue, Self::Retry, Self::Device, Self::Flush, Self::Total];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Retry => "retry",
            Self::Device => "device",
            Self::Flush => "flush",
            Self::Total => "total",
        }
    }
}

/// Durations of the phases of one life, in nanoseconds; `None` where a phase did not happen or its
/// beginning was not traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// See [`Phase::Queue`].
    pub queue: Option<u64>,
    /// See [`Phase::Retry`].
    pub retry: Option<u64>,
    /// See [`Phase::Device`].
    pub device: Option<u64>,
    /// See [`Phase::Flush`].
    pub flush: Option<u64>,
    /// See [`Phase::Total`]; `None` only where the beginning of the life was not seen.
    pub total: Option<u64>,
}

impl Phases {
    /// The duration of one phase.
    #[must_use]
    pub const fn get(&self, phase: Phase) -> Option<u64> {
        match phase {
            Phase::Queue => self.queue,
            Phase::Retry => self.retry,
            Phase::Device => self.device,
            Phase::Flush => self.flush,
            Phase::Total => self.total,
        }
    }
}
