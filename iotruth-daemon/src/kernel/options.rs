//! What goes into and comes out of the tracer, with or without eBPF.

use std::time::Duration;

use iotruth_common::{
    counters::{ProgramCounters, RingCounters},
    probe::{PROGRAMS, Probe, Program},
};

use super::Lanes;
use crate::view::ProgramStatus;

/// How long a program may run, where that cannot be waited for, in nanoseconds: a task may be preempted
/// within it. Longer than a reader of rings of each CPU waits for one.
pub const LONGEST_RUN: u64 = 450_000_000;

/// How to load the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// How records travel.
    pub transport: Transport,
    /// Trace the start of every request, not only of flushes and unusual operations.
    pub start_events: bool,
    /// Have a second program on each tracepoint, on kernels that skip a program at all.
    pub second_programs: bool,
    /// Log what is rare from within the programs.
    pub log: bool,
}

/// How records get from the programs to the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In BPF ring buffers, which all CPUs and programs write.
    RingBuffers {
        /// Rings in use: a power of two, at most [`MAX_RINGS`](iotruth_common::counters::MAX_RINGS).
        rings: usize,
        /// Size of each ring: a power of two and a multiple of the page size.
        ring_bytes: u32,
        /// Bytes in a ring above which a program wakes its reader.
        fill_mark: u32,
    },
    /// In rings of each CPU and program; what is for the same reader is read as a single one.
    PerCpu(Lanes),
}

impl Transport {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RingBuffers { .. } => "ring-buffers",
            Self::PerCpu(_) => "per-cpu",
        }
    }

    /// Records of CPUs with lower numbers find room; those of all others are refused.
    #[must_use]
    pub const fn cpus(&self) -> u32 {
        match self {
            Self::RingBuffers { .. } => u32::MAX,
            Self::PerCpu(lanes) => lanes.cpus(),
        }
    }
}

/// How long it took until the programs could be attached.
#[derive(Clone, Debug, Default)]
pub struct LoadTimes {
    /// To make ready what the programs need: the object, the maps, and the kernel's types once more
    /// in the form in which the loader knows them.
    pub object: Duration,
    /// To have all programs verified.
    pub verifier: Duration,
    /// Of these, for each program; they are verified at the same time.
    pub programs: Vec<(&'static str, Duration)>,
}

/// What was attached.
#[derive(Clone, Debug)]
pub struct Attached {
    /// One for each probe, in the order of [`Probe::ALL`].
    pub programs: Vec<ProgramStatus>,
    /// Just after the last program was attached, in nanoseconds of `CLOCK_MONOTONIC`: a request
    /// that started later has been seen from its first event on.
    pub at: u64,
}

/// What the kernel side counted, at one moment.
#[derive(Clone, Debug)]
pub struct Counters {
    /// What each program counted on each CPU, at `cpu * PROGRAMS + program`.
    pub counted: Vec<ProgramCounters>,
    /// How often each program was skipped because it was already running on that CPU, by
    /// [`Program::index`]; always 0 before Linux 5.12.
    pub recursion: [u64; PROGRAMS],
}

impl Counters {
    /// Records that this program tried to write into this ring, by all CPUs.
    #[must_use]
    pub fn attempts(&self, program: Program, ring: usize) -> u64 {
        self.of_ring(program, ring).map(|counters| counters.attempts).sum()
    }

    /// Records of this program that this ring refused, on all CPUs.
    #[must_use]
    pub fn lost(&self, program: Program, ring: usize) -> u64 {
        self.of_ring(program, ring).map(|counters| counters.lost).sum()
    }

    /// Runs that first programs were skipped for and second ones were not, by all CPUs: what they
    /// tried to write, or need not have written, or was not in the sample.
    #[must_use]
    pub fn made_up(&self, probe: Probe) -> u64 {
        let counted = self.of(Program::second(probe));
        let runs = counted.map(|program| {
            let told = program.rings.iter().map(|ring| ring.attempts).sum::<u64>();
            program.passed + program.left_out + told
        });
        runs.sum()
    }

    /// Events that this program has not told because their requests are not in the sample, on all CPUs.
    #[must_use]
    pub fn left_out(&self, program: Program) -> u64 {
        self.of(program).map(|counters| counters.left_out).sum()
    }

    /// How long the runs of this program took that were timed, in nanoseconds, on all CPUs.
    #[must_use]
    pub fn run_time(&self, program: Program) -> u64 {
        self.of(program).map(|counters| counters.run_time).sum()
    }

    /// Which is the last CPU that a record was tried on, if it is not one of the first `cpus`, and how many
    /// records were tried on such CPUs.
    #[must_use]
    pub fn beyond(&self, cpus: u32) -> Option<(u32, u64)> {
        let of_cpus = self.counted.chunks(PROGRAMS).enumerate().skip(cpus as usize);
        let tried = of_cpus.map(|(cpu, programs)| {
            let rings = programs.iter().flat_map(|program| &program.rings);
            (cpu as u32, rings.map(|ring| ring.attempts).sum::<u64>())
        });
        tried
            .filter(|(_, attempts)| *attempts > 0)
            .reduce(|sum, of_cpu| (of_cpu.0, sum.1 + of_cpu.1))
    }

    /// Records that were tried, by all programs into all rings.
    #[must_use]
    pub fn total_attempts(&self) -> u64 {
        self.counted.iter().flat_map(|program| &program.rings).map(|ring| ring.attempts).sum()
    }

    /// Records that were refused, by all rings.
    #[must_use]
    pub fn total_lost(&self) -> u64 {
        self.counted.iter().flat_map(|program| &program.rings).map(|ring| ring.lost).sum()
    }

    /// What a program counted, by CPU.
    fn of(&self, program: Program) -> impl Iterator<Item = &ProgramCounters> {
        self.counted.iter().skip(program.index()).step_by(PROGRAMS)
    }

    fn of_ring(&self, program: Program, ring: usize) -> impl Iterator<Item = &RingCounters> {
        self.of(program).filter_map(move |program| program.rings.get(ring))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use bytemuck::Zeroable as _;
    use iotruth_common::{
        counters::{ProgramCounters, RingCounters},
        probe::{PROGRAMS, Probe, Program},
    };

    use super::Counters;

    #[test]
    fn counters_add_up_over_cpus_by_program_and_ring() {
        let mut counted = vec![ProgramCounters::zeroed(); 3 * PROGRAMS];
        let [issue, insert] = [Probe::Issue, Probe::Insert].map(Program::first);
        let [second, start] = [Probe::Issue, Probe::Start].map(Program::second);
        let at = |cpu: usize, program: Program| cpu * PROGRAMS + program.index();
        counted[at(0, second)].rings[2].attempts = 1000;
        counted[at(0, issue)].rings[2].attempts = 5;
        counted[at(2, issue)].rings[2].attempts = 7;
        counted[at(2, issue)].rings[3] = RingCounters { attempts: 100, ..RingCounters::zeroed() };
        counted[at(2, start)].passed = 7;
        counted[at(1, start)].left_out = 3;
        counted[at(1, issue)].rings[2].lost = 1;
        let counters = Counters { counted, recursion: [0; PROGRAMS] };
        assert_eq!(counters.attempts(issue, 2), 12);
        assert_eq!(counters.attempts(issue, 3), 100);
        assert_eq!(counters.attempts(insert, 2), 0);
        assert_eq!(counters.lost(issue, 2), 1);
        assert_eq!((counters.total_attempts(), counters.total_lost()), (1112, 1));
        let beyond = [0, 1, 2, 3].map(|cpus| counters.beyond(cpus));
        assert_eq!(beyond, [Some((2, 1112)), Some((2, 107)), Some((2, 107)), None]);
        assert_eq!(counters.attempts(second, 2), 1000);
        assert_eq!([Probe::Issue, Probe::Start].map(|probe| counters.made_up(probe)), [1000, 10]);
    }
}
