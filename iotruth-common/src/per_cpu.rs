//! Rings of one CPU and one program each, in memory that both sides map.
//!
//! From Linux 6.1 on no program runs on a CPU where it is running already. So each of these rings has
//! one writer at a time: it takes no lock, no atomic operation and no call into the kernel to write
//! a record. The slots of all rings whose records are of the same length are one array; how far each
//! ring was written and read is beside what its program counts
//! ([`ProgramCounters`](crate::counters::ProgramCounters)).
//!
//! Where there are several readers, each CPU and program has a ring for each of them, and the hardware
//! queue of a request says in which its records go: so no life is in two of them.

/// Where the rings of one program are within their array: the first one of a CPU starts at
/// `cpu * stride + first`, and the others follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Lane {
    /// Slots of all rings of one CPU in that array.
    pub stride: u32,
    /// Slots of that CPU before these rings.
    pub first: u32,
    /// Slots of each of these rings less one; their number is a power of two.
    pub mask: u32,
}
