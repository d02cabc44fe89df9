//! How the programs shall work: written into their instructions ([`constant`](crate::constant)).

use crate::{per_cpu::Lane, probe::PROGRAMS};

/// Settings that are constants to the verifier, so that what is off costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Tuning {
    /// Number of rings in use less one; the number is a power of two.
    pub ring_mask: u32,
    /// Bytes in a ring above which a program wakes the reader.
    pub fill_mark: u32,
    /// 1: `block_io_start` emits for every request; 0: only for those of `start_flags` and for
    /// operations other than read and write.
    pub start_events: u32,
    /// `REQ_PREFLUSH | REQ_FUA` of this kernel.
    pub start_flags: u32,
    /// 1: count with atomic additions, because a program may be interrupted by itself (before 6.1).
    pub nested: u32,
    /// 1: the kernel has `bpf_get_current_task_btf` (5.11), so the task is read directly.
    pub task: u32,
    /// 1: log what is rare through aya-log.
    pub log: u32,
    /// 1: records go into the rings of each CPU and program, not into BPF ring buffers.
    pub per_cpu: u32,
    /// 1: as most hosts have it, that is in the rings of each CPU and program, of which each has one, and
    /// with neither `nested` nor `log`.
    pub plain: u32,
    /// Where the rings of each program are, by [`Program::index`](crate::probe::Program::index).
    pub lanes: [Lane; PROGRAMS],
}

const _: () = assert!(core::mem::size_of::<Tuning>() == 36 + 12 * PROGRAMS);

/// Bits of the number of a mark that the two programs of a tracepoint share.
pub const MARK_BITS: u32 = 17;

/// How many marks there are where there are two programs: enough that requests that are in use at one
/// time rarely share one.
pub const MARKS: u32 = 1 << MARK_BITS;
