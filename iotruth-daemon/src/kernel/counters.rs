//! What the programs counted beside the rings.

use std::{fmt, os::fd::AsFd};

use aya::{
    maps::{Array, MapData},
    programs::ProgramFd,
};
use iotruth_common::{
    counters::{CpuCounters, MAX_RINGS},
    probe::{PROGRAMS, Program, Role},
};

use super::{Counters, KernelError, recursion};

/// An element of the map, in a type that aya knows to be plain.
pub(super) type Words = [u64; 2 * PROGRAMS * MAX_RINGS + 1];

const _: () = assert!(size_of::<Words>() == size_of::<CpuCounters>());

/// Name of the map.
pub(super) const MAP: &str = "COUNTERS";

/// Reads the counters; independent of the tracer, for a thread of its own.
pub struct CounterReader {
    counters: Array<MapData, Words>,
    programs: Vec<(Program, ProgramFd)>,
}

impl CounterReader {
    pub(super) const fn new(
        counters: Array<MapData, Words>,
        programs: Vec<(Program, ProgramFd)>,
    ) -> Self {
        Self { counters, programs }
    }

    /// Reads all of them. A system call for each CPU and each program.
    ///
    /// Not one moment: a CPU that was read early counts on while the others are read. But the skips
    /// are read after all else, so that whatever a second program has told, the skip that it told it
    /// for is among them.
    pub fn read(&self) -> Result<Counters, KernelError> {
        let mut cpus = Vec::with_capacity(self.counters.len() as usize);
        for cpu in 0..self.counters.len() {
            let words = self
                .counters
                .get(&cpu, 0)
                .map_err(|source| KernelError::Map { map: MAP.into(), source: source.into() })?;
            // One element: the sizes are equal, and both are aligned to 8.
            cpus.extend_from_slice(bytemuck::cast_slice::<u64, CpuCounters>(&words));
        }
        Ok(Counters { cpus, recursion: self.recursion()? })
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
