//! The counters that the programs keep beside the rings.

use crate::probe::PROGRAMS;

/// How many BPF ring buffers the eBPF object declares; the daemon uses a power of two of them, at most
/// all. The rings of each CPU and program are ring 0 together.
pub const MAX_RINGS: usize = 16;

/// What one CPU counted, by program and ring. One element of the `COUNTERS` array per CPU.
///
/// The number of a pair is `program * MAX_RINGS + ring`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CpuCounters {
    /// Records that a program tried to write, counted before the reservation.
    pub attempts: [u64; PROGRAMS * MAX_RINGS],
    /// Attempts that the ring refused because it was full.
    pub lost: [u64; PROGRAMS * MAX_RINGS],
    /// Starts that need not be told, and that the first program was skipped for, as the second one
    /// counts them: the kernel counts these skips too.
    pub passed: u64,
}

/// Records that each ring refused, all CPUs and programs together: the one element of `RING_LOST`.
///
/// Written only when something is lost, read by every event: the first and the last record of a
/// life with equal values prove that no record of that life was refused in between.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RingLost {
    /// Refused records, by ring.
    pub lost: [u64; MAX_RINGS],
}

// SAFETY: integers only, no padding, any bit pattern is a value.
#[cfg(feature = "user")]
unsafe impl bytemuck::Zeroable for CpuCounters {}
// SAFETY: as above, and `repr(C)`.
#[cfg(feature = "user")]
unsafe impl bytemuck::Pod for CpuCounters {}
// SAFETY: integers only, no padding, any bit pattern is a value.
#[cfg(feature = "user")]
unsafe impl bytemuck::Zeroable for RingLost {}
// SAFETY: as above, and `repr(C)`.
#[cfg(feature = "user")]
unsafe impl bytemuck::Pod for RingLost {}
