//! The counters that the programs keep beside the rings.

use core::mem::{offset_of, size_of};

/// How many BPF ring buffers the eBPF object declares; the daemon uses a power of two of them, at most
/// all. The rings of each CPU and program are ring 0 together.
pub const MAX_RINGS: usize = 16;

/// One run of a program in so many is timed; a power of two.
pub const TIMED: u64 = 1024;

/// What a timed run counts for at most, in nanoseconds. One that an interrupt, another task or the
/// hypervisor has come into is no measure of [`TIMED`] others.
pub const LONGEST_TIMED: u64 = 1 << 15;

/// What one program has counted of one ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct RingCounters {
    /// Records that it tried to write, counted before the reservation.
    pub attempts: u64,
    /// Attempts that the ring refused because it was full.
    pub lost: u64,
}

/// What one program has counted on one CPU, and where its ring of that CPU is read and written: the
/// element `cpu * PROGRAMS + program` of the `COUNTERS` array.
///
/// All that a run writes is in one cache line, where records travel in the rings of each CPU and
/// program. What the reader writes is in another one, two lines apart, since processors fetch lines in
/// pairs.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct ProgramCounters {
    /// Slots of its ring that were written, counted after the last byte of the record; for ever.
    pub head: u64,
    /// Starts that need not be told and that the first program was skipped for, as the second one counts
    /// them: the kernel counts these skips too.
    pub passed: u64,
    /// How long the runs took that were timed, in nanoseconds.
    pub run_time: u64,
    /// By ring.
    pub rings: [RingCounters; MAX_RINGS],
    /// Always 0.
    pub padding: [u64; 13],
    /// Slots of its ring that were read and may be written again. Written by the reader.
    pub tail: u64,
    /// Always 0.
    pub more_padding: [u64; 15],
}

const _: () = assert!(size_of::<ProgramCounters>() == 512);
const _: () = assert!(offset_of!(ProgramCounters, tail) == 384);

/// Records that each ring refused, all CPUs and programs together: the one element of `RING_LOST`.
///
/// Written only when something is lost, read by every event: the first and the last record of a
/// life with equal values prove that no record of that life was refused in between.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct RingLost {
    /// Refused records, by ring.
    pub lost: [u64; MAX_RINGS],
}
