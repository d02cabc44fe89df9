//! What the programs counted beside the rings.

use std::{fmt, os::fd::AsFd};

use aya::{
    maps::{Array, MapData},
    programs::ProgramFd,
};
use iotruth_common::{
    counters::{CpuCounters, MAX_RINGS},
    probe::{PROBES, Probe},
};

use super::{Counters, KernelError, recursion};

/// An element of the map, in a type that aya knows to be plain.
pub(super) type Words = [u64; 2 * PROBES * MAX_RINGS];

const _: () = assert!(size_of::<Words>() == size_of::<CpuCounters>());

/// Name of the map.
pub(super) const MAP: &str = "COUNTERS";

/// Reads the counters; independent of the tracer, for a thread of its own.
pub struct CounterReader {
    counters: Array<MapData, Words>,
    programs: Vec<(Probe, ProgramFd)>,
}

impl CounterReader {
    pub(super) const fn new(
        counters: Array<MapData, Words>,
        programs: Vec<(Probe, ProgramFd)>,
    ) -> Self {
        Self { counters, programs }
    }

    /// Reads all of them. A system call for each CPU and each program.
    ///
    /// Not one moment: a CPU that was read early counts on while the others are read.
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

    /// How often each program was skipped; cheap enough to be asked ten times a second.
    pub fn recursion(&self) -> Result<[u64; PROBES], KernelError> {
        let mut recursion = [0; PROBES];
        for (probe, program) in &self.programs {
            recursion[*probe as usize] = recursion::misses(program.as_fd())
                .map_err(|source| KernelError::Recursion { program: probe.tracepoint(), source })?;
        }
        Ok(recursion)
    }
}

impl fmt::Debug for CounterReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterReader").field("programs", &self.programs).finish_non_exhaustive()
    }
}
