//! From verified programs to running ones, and back.

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, ProgramFd, RawTracePoint, tp_btf::BtfTracePointLinkId},
};
use iotruth_common::probe::Probe;

use super::KernelError;

/// The program of this probe.
pub(super) fn program(ebpf: &mut Ebpf, probe: Probe) -> Result<&mut BtfTracePoint, KernelError> {
    let name = probe.tracepoint();
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| KernelError::Missing { what: format!("tracing program {name}") })
}

/// Has the kernel verify the program of this probe.
pub(super) fn load(ebpf: &mut Ebpf, probe: Probe, btf: &Btf) -> Result<ProgramFd, KernelError> {
    let refused = |source: aya::programs::ProgramError| KernelError::Program {
        program: probe.tracepoint(),
        source: source.into(),
    };
    let program = program(ebpf, probe)?;
    program.load(probe.tracepoint(), btf).map_err(refused)?;
    let descriptor = program.fd().map_err(refused)?;
    descriptor.try_clone().map_err(|source| KernelError::Program {
        program: probe.tracepoint(),
        source: source.into(),
    })
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

/// Lets the program of this probe run.
pub(super) fn attach(ebpf: &mut Ebpf, probe: Probe) -> Result<BtfTracePointLinkId, KernelError> {
    program(ebpf, probe)?.attach().map_err(|source| KernelError::Attach {
        tracepoint: probe.tracepoint(),
        source: source.into(),
    })
}

/// Stops the program of this probe; it still exists, so its counters can be read.
pub(super) fn detach(
    ebpf: &mut Ebpf,
    probe: Probe,
    link: BtfTracePointLinkId,
) -> Result<(), KernelError> {
    program(ebpf, probe)?.detach(link).map_err(|source| KernelError::Attach {
        tracepoint: probe.tracepoint(),
        source: source.into(),
    })
}
