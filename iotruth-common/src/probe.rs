//! The tracepoints that iotruth attaches to, one program each.

/// A traced tracepoint.
///
/// The discriminant travels in every record and indexes every per-probe table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Probe {
    /// `block_rq_complete`: some or all bytes of a request ended.
    Complete = 0,
    /// `block_rq_merge`: a request died because its bios were chained to another one.
    Merge = 1,
    /// `block_rq_requeue`: a request went back to a queue.
    Requeue = 2,
    /// `block_rq_remap`: a request-based device mapper is about to insert this clone.
    Remap = 3,
    /// `block_rq_issue`: the driver started a request.
    Issue = 4,
    /// `block_rq_insert`: a request was put on a software or scheduler queue.
    Insert = 5,
    /// `block_io_start`: a request was allocated and accounted (Linux 6.5 and later).
    Start = 6,
}

/// How many probes there are; the length of every per-probe table.
pub const PROBES: usize = 7;

impl Probe {
    /// Every probe, in the order in which the programs are attached.
    ///
    /// Those that end a life come first, so that no life is ever seen to begin by a tracer that
    /// could not yet have seen it end.
    pub const ALL: [Self; PROBES] = [
        Self::Complete,
        Self::Merge,
        Self::Requeue,
        Self::Remap,
        Self::Issue,
        Self::Insert,
        Self::Start,
    ];

    /// The probe with this number in a record, if there is one.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Complete),
            1 => Some(Self::Merge),
            2 => Some(Self::Requeue),
            3 => Some(Self::Remap),
            4 => Some(Self::Issue),
            5 => Some(Self::Insert),
            6 => Some(Self::Start),
            _ => None,
        }
    }

    /// The kernel's name of the tracepoint, which is also the name of the eBPF program.
    #[must_use]
    pub const fn tracepoint(self) -> &'static str {
        match self {
            Self::Complete => "block_rq_complete",
            Self::Merge => "block_rq_merge",
            Self::Requeue => "block_rq_requeue",
            Self::Remap => "block_rq_remap",
            Self::Issue => "block_rq_issue",
            Self::Insert => "block_rq_insert",
            Self::Start => "block_io_start",
        }
    }

    /// The word for this event in timelines and metric labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Merge => "merge",
            Self::Requeue => "requeue",
            Self::Remap => "remap",
            Self::Issue => "issue",
            Self::Insert => "insert",
            Self::Start => "start",
        }
    }

    /// Whether iotruth refuses to run without this tracepoint.
    ///
    /// `block_io_start` appeared in Linux 6.5; the rules that need it are off without it. The
    /// others exist in every supported kernel.
    #[must_use]
    pub const fn mandatory(self) -> bool {
        !matches!(self, Self::Start)
    }
}
