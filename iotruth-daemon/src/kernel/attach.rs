//! From verified programs to running ones, and back.

use aya::{
    Ebpf,
    programs::{BtfTracePoint, tp_btf::BtfTracePointLinkId},
};
use iotruth_common::probe::Program;

use super::KernelError;

/// The program as aya knows it.
fn find(ebpf: &mut Ebpf, program: Program) -> Result<&mut BtfTracePoint, KernelError> {
    let name = program.name();
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| KernelError::Missing { what: format!("tracing program {name}") })
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
