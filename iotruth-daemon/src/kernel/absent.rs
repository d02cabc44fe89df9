//! The same names without eBPF: values of these types cannot exist, and nothing can be loaded.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use iotruth_common::{probe::PROGRAMS, reread::Reread};

use super::{Attached, Counters, KernelError, LoadOptions, LoadTimes};
use crate::engine::{Sample, btf::KernelFacts};

/// Always fails: there are no programs to load.
pub const fn preflight() -> Result<(), KernelError> {
    Err(KernelError::BuiltWithout)
}

/// Always fails: there is nothing to resolve a layout for.
pub const fn read_btf() -> Result<Vec<u8>, KernelError> {
    Err(KernelError::BuiltWithout)
}

/// The programs in the kernel, which this build does not have.
#[derive(Debug)]
pub enum Tracer {}

impl Tracer {
    /// Always fails.
    pub const fn load(
        _options: &LoadOptions,
        _facts: &KernelFacts,
        _btf: &[u8],
    ) -> Result<Self, KernelError> {
        Err(KernelError::BuiltWithout)
    }

    /// Cannot be called.
    #[must_use]
    pub const fn load_times(&self) -> &LoadTimes {
        match *self {}
    }

    /// Cannot be called.
    pub const fn attach(&mut self) -> Result<Attached, KernelError> {
        match *self {}
    }

    /// Cannot be called.
    pub const fn take_rings(&mut self) -> Result<Vec<Ring>, KernelError> {
        match *self {}
    }

    /// Cannot be called.
    pub const fn counters(&self) -> Result<CounterReader, KernelError> {
        match *self {}
    }

    /// Cannot be called.
    pub const fn rereader(&self, _number: usize) -> Result<Rereader, KernelError> {
        match *self {}
    }

    /// Cannot be called.
    pub const fn sampler(&self) -> Result<Sampler, KernelError> {
        match *self {}
    }

    /// Cannot be called.
    pub const fn logger(&mut self) -> Result<LogReader, KernelError> {
        match *self {}
    }

    /// Cannot be called.
    pub const fn detach(&mut self) -> Result<(), KernelError> {
        match *self {}
    }
}

/// One ring of records, which this build does not have.
#[derive(Debug)]
pub enum Ring {}

impl Ring {
    /// Cannot be called.
    #[must_use]
    pub const fn take_fill(&mut self) -> f64 {
        match *self {}
    }

    /// Cannot be called.
    #[must_use]
    pub const fn number(&self) -> usize {
        match *self {}
    }

    /// Cannot be called.
    #[must_use]
    pub const fn wake(&self) -> Option<BorrowedFd<'_>> {
        match *self {}
    }

    /// Cannot be called.
    #[must_use]
    pub const fn reached(&self) -> u64 {
        match *self {}
    }

    /// Cannot be called.
    pub const fn end(&mut self) {
        match *self {}
    }

    /// Cannot be called.
    #[must_use]
    pub const fn had_two_writers(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    pub fn drain(&mut self, _limit: usize, _handle: impl FnMut(&[u8])) -> usize {
        match *self {}
    }
}

/// Reader of the counters, which this build does not have.
#[derive(Debug)]
pub enum CounterReader {}

impl CounterReader {
    /// Cannot be called.
    #[must_use]
    pub const fn peek(&self) -> Counters {
        match *self {}
    }

    /// Cannot be called.
    pub const fn read(&self) -> Result<Counters, KernelError> {
        match *self {}
    }

    /// Cannot be called.
    #[must_use]
    pub const fn second_programs(&self) -> bool {
        match *self {}
    }

    /// Cannot be called.
    pub const fn recursion(&self) -> Result<[u64; PROGRAMS], KernelError> {
        match *self {}
    }
}

/// Reader of open requests, which this build does not have.
#[derive(Debug)]
pub enum Rereader {}

impl Rereader {
    /// Cannot be called.
    pub const fn read(&mut self, _addresses: &[u64]) -> Result<Reread, KernelError> {
        match *self {}
    }
}

/// Tells the programs how much to tell, which this build does not have.
#[derive(Debug)]
pub enum Sampler {}

impl Sampler {
    /// Cannot be called.
    pub const fn look_up_owners(&self, _owners: bool) {
        match *self {}
    }

    /// Cannot be called.
    pub const fn tell_of(&self, _sample: Sample) {
        match *self {}
    }

    /// Cannot be called.
    #[must_use]
    pub const fn in_force(&self) -> u64 {
        match *self {}
    }
}

/// Messages of the programs, which this build does not have.
#[derive(Debug)]
pub enum LogReader {}

impl LogReader {
    /// Cannot be called.
    pub const fn flush(&mut self) {
        match *self {}
    }
}

impl AsRawFd for LogReader {
    fn as_raw_fd(&self) -> RawFd {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::{KernelError, preflight};

    #[test]
    fn the_error_says_what_to_do() {
        let Err(error) = preflight() else { panic!("there is no eBPF in this build") };
        assert!(matches!(error, KernelError::BuiltWithout));
        assert!(error.to_string().ends_with("with `cargo xtask build --release`"), "{error}");
    }
}
