//! What goes into and comes out of the tracer, with or without eBPF.

use std::time::Duration;

use iotruth_common::{
    counters::{CpuCounters, MAX_RINGS},
    probe::{PROGRAMS, Probe, Program},
};

use super::Lanes;
use crate::view::ProgramStatus;

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
        /// Rings in use: a power of two, at most [`MAX_RINGS`].
        rings: usize,
        /// Size of each ring: a power of two and a multiple of the page size.
        ring_bytes: u32,
        /// Bytes in a ring above which a program wakes its reader.
        fill_mark: u32,
    },
    /// In rings of each CPU and program, which are read as a single one.
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
    pub programs: Vec<(Program, Duration)>,
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
    /// Attempts and refused records of each CPU; the index is the CPU number.
    pub cpus: Vec<CpuCounters>,
    /// How often each program was skipped because it was already running on that CPU, by
    /// [`Program::index`]; always 0 before Linux 5.12.
    pub recursion: [u64; PROGRAMS],
}

impl Counters {
    /// Records that this program tried to write into this ring, by all CPUs.
    #[must_use]
    pub fn attempts(&self, program: Program, ring: usize) -> u64 {
        self.sum(program, ring, |cpu| &cpu.attempts)
    }

    /// Records of this program that this ring refused, on all CPUs.
    #[must_use]
    pub fn lost(&self, program: Program, ring: usize) -> u64 {
        self.sum(program, ring, |cpu| &cpu.lost)
    }

    /// Runs that first programs were skipped for and second ones were not, by all CPUs: what they
    /// tried to write, or need not have written.
    #[must_use]
    pub fn made_up(&self, probe: Probe) -> u64 {
        let second = Program::second(probe);
        let told: u64 = (0..MAX_RINGS).map(|ring| self.attempts(second, ring)).sum();
        let passed = match probe {
            Probe::Start => self.cpus.iter().map(|cpu| cpu.passed).sum(),
            Probe::Complete
            | Probe::Merge
            | Probe::Requeue
            | Probe::Remap
            | Probe::Issue
            | Probe::Insert => 0,
        };
        told + passed
    }

    /// Records that were tried, by all programs into all rings.
    #[must_use]
    pub fn total_attempts(&self) -> u64 {
        self.cpus.iter().flat_map(|cpu| &cpu.attempts).sum()
    }

    /// Records that were refused, by all rings.
    #[must_use]
    pub fn total_lost(&self) -> u64 {
        self.cpus.iter().flat_map(|cpu| &cpu.lost).sum()
    }

    fn sum(
        &self,
        program: Program,
        ring: usize,
        of: impl Fn(&CpuCounters) -> &[u64; PROGRAMS * MAX_RINGS],
    ) -> u64 {
        let index = program.index() * MAX_RINGS + ring;
        self.cpus.iter().filter_map(|cpu| of(cpu).get(index)).sum()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use iotruth_common::{
        counters::{CpuCounters, MAX_RINGS},
        probe::{PROGRAMS, Probe, Program},
    };

    use super::Counters;

    #[test]
    fn counters_add_up_over_cpus_by_program_and_ring() {
        const PAIRS: usize = PROGRAMS * MAX_RINGS;
        let mut cpus = [CpuCounters { attempts: [0; PAIRS], lost: [0; PAIRS], passed: 0 }; 3];
        let [issue, insert] = [Probe::Issue, Probe::Insert].map(Program::first);
        let second = Program::second(Probe::Issue);
        let issue_in_ring_2 = issue.index() * MAX_RINGS + 2;
        cpus[0].attempts[second.index() * MAX_RINGS + 2] = 1000;
        cpus[0].attempts[issue_in_ring_2] = 5;
        cpus[2].attempts[issue_in_ring_2] = 7;
        cpus[2].attempts[issue_in_ring_2 + 1] = 100;
        cpus[2].passed = 7;
        cpus[1].lost[issue_in_ring_2] = 1;
        let counters = Counters { cpus: cpus.to_vec(), recursion: [0; PROGRAMS] };
        assert_eq!(counters.attempts(issue, 2), 12);
        assert_eq!(counters.attempts(issue, 3), 100);
        assert_eq!(counters.attempts(insert, 2), 0);
        assert_eq!(counters.lost(issue, 2), 1);
        assert_eq!((counters.total_attempts(), counters.total_lost()), (1112, 1));
        assert_eq!(counters.attempts(second, 2), 1000);
        assert_eq!([Probe::Issue, Probe::Start].map(|probe| counters.made_up(probe)), [1000, 7]);
    }
}
