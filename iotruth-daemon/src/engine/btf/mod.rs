//! What this very kernel looks like, from its BTF: bytes in, offsets and numbers out.
//!
//! The blob of a kernel has some 130,000 types, of which iotruth needs about a dozen. So one pass
//! notes where each type begins and picks those by name; only what hangs on them is looked at.
//! Anything that contradicts itself is refused: a wrong offset would read wrong memory.

mod arguments;
mod enumerators;
mod error;
mod index;
mod layout;
mod preemption;
mod reader;
mod recursion;
#[cfg(test)]
mod tests;
mod types;

pub use error::BtfError;
use iotruth_common::{layout::Layout, probe::Probe};

use self::index::Index;
use super::flavor::Flavor;

/// All that the daemon has to know about the kernel before it can load its programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub struct KernelFacts {
    /// Where the fields and arguments are, for the programs.
    pub layout: Layout,
    /// Which numbers the kernel uses, for the decoder.
    pub flavor: Flavor,
    /// The kernel has `bpf_get_current_task_btf` (Linux 5.11).
    pub task_btf_helper: bool,
    /// A program never runs on a CPU where it is running already (Linux 6.1).
    pub recursion_guard: bool,
    /// A task can be preempted while it runs the programs of a tracepoint.
    pub preemptible_tracepoints: bool,
    /// Optional tracepoints that the kernel does not have, nor anything in their place.
    pub missing_probes: Vec<Probe>,
    /// For want of `block_io_start` the starts of flushes are told by the function `blk_insert_flush`.
    pub insert_flush: bool,
    /// What is off because the kernel lacks something beside that, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the facts from the bytes of `/sys/kernel/btf/vmlinux`.
pub fn resolve(btf: &[u8]) -> Result<KernelFacts, BtfError> {
    let index = Index::build(btf)?;
    let mut notes = Vec::new();
    let arguments = arguments::resolve(&index)?;
    let mut layout = layout::resolve(&index, &mut notes)?;
    layout.request_argument = arguments.request;
    Ok(KernelFacts {
        layout,
        flavor: enumerators::resolve(&index, arguments.status_is_errno)?,
        task_btf_helper: enumerators::task_helper(&index)?,
        recursion_guard: index.recursion_guard,
        preemptible_tracepoints: preemption::tracepoints(&index)?,
        missing_probes: arguments.missing,
        insert_flush: arguments.insert_flush,
        notes,
    })
}
