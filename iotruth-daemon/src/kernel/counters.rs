//! What the programs counted beside the rings.

use std::{
    fmt,
    mem::offset_of,
    os::fd::AsFd,
    sync::{Arc, atomic::Ordering},
};

use aya::programs::ProgramFd;
use bytemuck::Zeroable;
use iotruth_common::{
    counters::{ProgramCounters, RingCounters},
    probe::{PROGRAMS, Program, Role},
};

use super::{Counters, KernelError, mapped::Mapped, recursion};

/// Name of the map.
pub(super) const MAP: &str = "COUNTERS";

/// Reads the counters; independent of the tracer, for a thread of its own.
pub struct CounterReader {
    counters: Arc<Mapped>,
    cpus: usize,
    /// How many rings are in use.
    rings: usize,
    programs: Vec<(Program, ProgramFd)>,
}

impl CounterReader {
    pub(super) const fn new(
        counters: Arc<Mapped>,
        cpus: usize,
        rings: usize,
        programs: Vec<(Program, ProgramFd)>,
    ) -> Self {
        Self { counters, cpus, rings, programs }
    }

    /// Reads all of them. A system call for each program, for what the kernel counts itself.
    ///
    /// Not one moment: a CPU that was read early counts on while the others are read. But the skips
    /// are read after all else, so that whatever a second program has told, the skip that it told it
    /// for is among them.
    pub fn read(&self) -> Result<Counters, KernelError> {
        let counters = self.peek();
        Ok(Counters { recursion: self.recursion()?, ..counters })
    }

    /// Reads what the programs have counted themselves, and not how often they were skipped: without a
    /// system call.
    #[must_use]
    pub fn peek(&self) -> Counters {
        let mut counted = vec![ProgramCounters::zeroed(); self.cpus * PROGRAMS];
        for (cpu, counted) in counted.chunks_exact_mut(PROGRAMS).enumerate() {
            for (program, _) in &self.programs {
                if let Some(counted) = counted.get_mut(program.index()) {
                    self.read_one(cpu * PROGRAMS + program.index(), counted);
                }
            }
        }
        Counters { counted, recursion: [0; PROGRAMS] }
    }

    /// Reads what one program has counted on one CPU.
    fn read_one(&self, element: usize, to: &mut ProgramCounters) {
        let first = element * size_of::<ProgramCounters>();
        let word = |offset: usize| self.counters.word(first + offset).load(Ordering::Acquire);
        to.left_out = word(offset_of!(ProgramCounters, left_out));
        to.passed = word(offset_of!(ProgramCounters, passed));
        to.run_time = word(offset_of!(ProgramCounters, run_time));
        for (ring, to) in to.rings.iter_mut().enumerate().take(self.rings) {
            let ring = offset_of!(ProgramCounters, rings) + ring * size_of::<RingCounters>();
            // In this order: whatever was refused by then is among the attempts, or else a refusal would
            // stand for a record that is still to come.
            to.lost = word(ring + offset_of!(RingCounters, lost));
            to.attempts = word(ring + offset_of!(RingCounters, attempts));
        }
    }

    /// Whether there are second programs.
    #[must_use]
    pub fn second_programs(&self) -> bool {
        self.programs.iter().any(|(program, _)| program.role == Role::Second)
    }

    /// How often each program was skipped; cheap enough to be asked ten times a second.
    pub fn recursion(&self) -> Result<[u64; PROGRAMS], KernelError> {
        let mut recursion = [0; PROGRAMS];
        for (program, descriptor) in &self.programs {
            recursion[program.index()] = recursion::misses(descriptor.as_fd())
                .map_err(|source| KernelError::Recursion { program: program.name(), source })?;
        }
        Ok(recursion)
    }
}

impl fmt::Debug for CounterReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterReader").field("programs", &self.programs).finish_non_exhaustive()
    }
}
