//! From programs of an object to verified ones.

use std::{
    panic::resume_unwind,
    thread,
    time::{Duration, Instant},
};

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, ProgramError, ProgramFd, RawTracePoint},
};
use iotruth_common::probe::{INSERT_FLUSH, Probe, Program};

use super::{KernelError, attach};

/// A program that the kernel took.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) program: Program,
    pub(super) name: &'static str,
    pub(super) descriptor: ProgramFd,
    /// How long the kernel took over it.
    pub(super) took: Duration,
}

/// Has the kernel verify programs; they come back in the order in which they were asked for.
///
/// All at the same time. One takes up to 25 ms, nearly all of it for the pointers that it follows:
/// up to Linux 6.18 the verifier looks by name through all types of the kernel whether one of them
/// is to be trusted (`btf_nested_type_is_trusted`). It holds no lock meanwhile, as it would for who
/// lacks `CAP_BPF` (`bpf_check`).
pub(super) fn tracing(
    ebpf: &mut Ebpf,
    wanted: &[Program],
    btf: &Btf,
) -> Result<Vec<Verified>, KernelError> {
    let mut objects: Vec<_> = ebpf.programs_mut().collect();
    let missing = |program: Program| KernelError::Missing {
        what: format!("tracing program {}", program.name()),
    };
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(wanted.len());
        for program in wanted {
            let place = objects.iter().position(|(name, _)| *name == program.name());
            let (_, object) = objects.swap_remove(place.ok_or_else(|| missing(*program))?);
            let object: &mut BtfTracePoint = object.try_into().map_err(|_| missing(*program))?;
            threads.push(scope.spawn(move || one(object, *program, btf)));
        }
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

fn one(object: &mut BtfTracePoint, program: Program, btf: &Btf) -> Result<Verified, KernelError> {
    let refused = |source: ProgramError| KernelError::Program {
        program: program.name(),
        source: source.into(),
    };
    let begin = Instant::now();
    object.load(program.probe.tracepoint(), btf).map_err(refused)?;
    let took = begin.elapsed();
    let descriptor = object.fd().map_err(refused)?.try_clone().map_err(|source| {
        KernelError::Program { program: program.name(), source: source.into() }
    })?;
    Ok(Verified { program, name: program.name(), descriptor, took })
}

/// Has the kernel verify the program that tells the starts of flushes for want of a tracepoint.
pub(super) fn insert_flush(ebpf: &mut Ebpf, btf: &Btf) -> Result<Verified, KernelError> {
    let object = attach::find_insert_flush(ebpf)?;
    let begin = Instant::now();
    object.load(INSERT_FLUSH, btf).map_err(attach::refused)?;
    let took = begin.elapsed();
    let descriptor =
        object.fd().map_err(attach::refused)?.try_clone().map_err(|source| {
            KernelError::Program { program: INSERT_FLUSH, source: source.into() }
        })?;
    let program = Program::only(Probe::Start);
    Ok(Verified { program, name: INSERT_FLUSH, descriptor, took })
}

/// Has the kernel verify a program that is only run on demand.
pub(super) fn unattached(ebpf: &mut Ebpf, name: &'static str) -> Result<ProgramFd, KernelError> {
    let refused =
        |source: ProgramError| KernelError::Program { program: name, source: source.into() };
    let program: &mut RawTracePoint = ebpf
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| KernelError::Missing { what: format!("program {name}") })?;
    program.load().map_err(refused)?;
    let descriptor = program.fd().map_err(refused)?;
    descriptor
        .try_clone()
        .map_err(|source| KernelError::Program { program: name, source: source.into() })
}
