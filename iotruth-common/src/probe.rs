//! The tracepoints that iotruth attaches to, and the programs on them.

/// The kernel's name of the function that is given the request of each bio with flush flags, which is
/// also the name of the eBPF program on it: it tells [`Probe::Start`] where that has no tracepoint.
pub const INSERT_FLUSH: &str = "blk_insert_flush";

/// A traced tracepoint.
///
/// The discriminant travels in every record and indexes every table by probe.
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
    /// `block_io_start`: a request was allocated and accounted (Linux 6.5 and later). Before, the
    /// function [`INSERT_FLUSH`] tells it of flushes.
    Start = 6,
}

/// How many probes there are; the length of every table by probe.
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

    /// The kernel's name of the tracepoint, which is also the name of its eBPF program
    /// where it has only one.
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
    /// `block_io_start` appeared in Linux 6.5; without it, [`INSERT_FLUSH`] tells the starts of flushes
    /// where it can be traced, and the rules that need them are off where it cannot. The
    /// others exist in every supported kernel.
    #[must_use]
    pub const fn mandatory(self) -> bool {
        !matches!(self, Self::Start)
    }
}

/// Which of the programs of a tracepoint.
///
/// The kernel skips a program on a CPU where it is running already. Where a task can be preempted
/// inside a program of a tracepoint, that may last, so there each tracepoint has a second one, which
/// tells what the first one could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Tells every event, and is the only program of its tracepoint.
    Only,
    /// Tells every event, and leaves a mark for the second one.
    First,
    /// Runs after the first one, and tells what that was skipped for.
    Second,
}

/// How many programs there are at most; the length of every table by program.
pub const PROGRAMS: usize = 2 * PROBES;

/// In the number of a program: it is a second one.
const SECOND: u8 = 0x80;

/// One eBPF program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    /// Its tracepoint.
    pub probe: Probe,
    /// Which of the tracepoint's programs it is.
    pub role: Role,
}

impl Program {
    /// The program of a tracepoint that has only one.
    #[must_use]
    pub const fn only(probe: Probe) -> Self {
        Self { probe, role: Role::Only }
    }

    /// The first program of a tracepoint.
    #[must_use]
    pub const fn first(probe: Probe) -> Self {
        Self { probe, role: Role::First }
    }

    /// The second program of a tracepoint.
    #[must_use]
    pub const fn second(probe: Probe) -> Self {
        Self { probe, role: Role::Second }
    }

    /// Its place in a table by program: all first ones, then all second ones. The only one of a
    /// tracepoint has the place of a first one.
    #[must_use]
    pub const fn index(self) -> usize {
        match self.role {
            Role::Only | Role::First => self.probe as usize,
            Role::Second => PROBES + self.probe as usize,
        }
    }

    /// The program with this place in a table by program.
    #[must_use]
    pub const fn from_index(index: usize) -> Option<Self> {
        let probe = if index < PROGRAMS { Probe::from_wire((index % PROBES) as u8) } else { None };
        match probe {
            Some(probe) if index < PROBES => Some(Self::first(probe)),
            Some(probe) => Some(Self::second(probe)),
            None => None,
        }
    }

    /// Its number in a record.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self.role {
            Role::Only | Role::First => self.probe as u8,
            Role::Second => self.probe as u8 | SECOND,
        }
    }

    /// The program with this number in a record, if there is one. The only one of a tracepoint has
    /// the number of a first one, and is taken for it.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        match Probe::from_wire(number & !SECOND) {
            Some(probe) if number & SECOND == 0 => Some(Self::first(probe)),
            Some(probe) => Some(Self::second(probe)),
            None => None,
        }
    }

    /// Its name in the eBPF object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match (self.role, self.probe) {
            (Role::Only, probe) => probe.tracepoint(),
            (Role::First, Probe::Complete) => "block_rq_complete_first",
            (Role::First, Probe::Merge) => "block_rq_merge_first",
            (Role::First, Probe::Requeue) => "block_rq_requeue_first",
            (Role::First, Probe::Remap) => "block_rq_remap_first",
            (Role::First, Probe::Issue) => "block_rq_issue_first",
            (Role::First, Probe::Insert) => "block_rq_insert_first",
            (Role::First, Probe::Start) => "block_io_start_first",
            (Role::Second, Probe::Complete) => "block_rq_complete_second",
            (Role::Second, Probe::Merge) => "block_rq_merge_second",
            (Role::Second, Probe::Requeue) => "block_rq_requeue_second",
            (Role::Second, Probe::Remap) => "block_rq_remap_second",
            (Role::Second, Probe::Issue) => "block_rq_issue_second",
            (Role::Second, Probe::Insert) => "block_rq_insert_second",
            (Role::Second, Probe::Start) => "block_io_start_second",
        }
    }
}
