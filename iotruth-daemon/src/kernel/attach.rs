//! From verified programs to running ones, and back.

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, ProgramFd, RawTracePoint, tp_btf::BtfTracePointLinkId},
};
use iotruth_common::probe::Program;

use super::KernelError;

/// The program as aya knows it.
pub(super) fn find(ebpf: &mut Ebpf, program: Program) -> Result<&mut BtfTracePoint, KernelError> {
    let name = program.name();
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| KernelError::Missing { what: format!("tracing program {name}") })
}

/// Has the kernel verify a program.
pub(super) fn load(ebpf: &mut Ebpf, program: Program, btf: &Btf) -> Result<ProgramFd, KernelError> {
    let refused = |source: aya::programs::ProgramError| KernelError::Program {
        program: program.name(),
        source: source.into(),
    };
    let found = find(ebpf, program)?;
    found.load(program.probe.tracepoint(), btf).map_err(refused)?;
    let descriptor = found.fd().map_err(refused)?;
    descriptor
        .try_clone()
        .map_err(|source| KernelError::Program { program: program.name(), source: source.into() })
}

/// Has the kernel verify a program that is only run on demand.
pub(super) fn load_unattached(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<ProgramFd, KernelError> {
    let refused = |source: aya::programs::ProgramError| KernelError::Program {
        program: name,
        source: source.into(),
    };
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

/// Lets a program run.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    program: Program,
) -> Result<BtfTracePointLinkId, KernelError> {
    find(ebpf, program)?.attach().map_err(|source| KernelError::Attach {
        tracepoint: program.probe.tracepoint(),
        source: source.into(),
    })
}

/// Stops a program; it still exists, so its counters can be read.
pub(super) fn detach(
    ebpf: &mut Ebpf,
    program: Program,
    link: BtfTracePointLinkId,
) -> Result<(), KernelError> {
    find(ebpf, program)?.detach(link).map_err(|source| KernelError::Attach {
        tracepoint: program.probe.tracepoint(),
        source: source.into(),
    })
}
