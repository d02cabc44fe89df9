//! From verified programs to running ones, and back.

use aya::{
    Ebpf,
    programs::{
        BtfTracePoint, FEntry, ProgramError, fentry::FEntryLinkId, tp_btf::BtfTracePointLinkId,
    },
};
use iotruth_common::probe::{INSERT_FLUSH, Program};

use super::KernelError;

/// What holds a running program.
pub(super) enum Link {
    Tracepoint(BtfTracePointLinkId),
    /// Of [`INSERT_FLUSH`].
    Function(FEntryLinkId),
}

/// The program of a tracepoint, as aya knows it.
fn find(ebpf: &mut Ebpf, program: Program) -> Result<&mut BtfTracePoint, KernelError> {
    let name = program.name();
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| KernelError::Missing { what: format!("tracing program {name}") })
}

/// The program of the function, as aya knows it.
pub(super) fn find_insert_flush(ebpf: &mut Ebpf) -> Result<&mut FEntry, KernelError> {
    ebpf.program_mut(INSERT_FLUSH)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| KernelError::Missing { what: format!("program {INSERT_FLUSH}") })
}

/// The function cannot be traced.
pub(super) fn refused(source: ProgramError) -> KernelError {
    KernelError::Function { function: INSERT_FLUSH, source: source.into() }
}

/// Lets the program of a tracepoint run.
pub(super) fn attach(ebpf: &mut Ebpf, program: Program) -> Result<Link, KernelError> {
    let link = find(ebpf, program)?.attach().map_err(|source| KernelError::Attach {
        tracepoint: program.probe.tracepoint(),
        source: source.into(),
    })?;
    Ok(Link::Tracepoint(link))
}

/// Lets the program of the function run.
pub(super) fn attach_insert_flush(ebpf: &mut Ebpf) -> Result<Link, KernelError> {
    find_insert_flush(ebpf)?.attach().map(Link::Function).map_err(refused)
}

/// Stops a program; it still exists, so its counters can be read.
pub(super) fn detach(ebpf: &mut Ebpf, program: Program, link: Link) -> Result<(), KernelError> {
    match link {
        Link::Tracepoint(link) => find(ebpf, program)?.detach(link).map_err(|source| {
            KernelError::Attach { tracepoint: program.probe.tracepoint(), source: source.into() }
        }),
        Link::Function(link) => find_insert_flush(ebpf)?.detach(link).map_err(refused),
    }
}
