//! The counters that the programs keep beside the rings, and what they are told while they run.

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
    /// Events of requests that are not in the sample, and that it has therefore not told.
    pub left_out: u64,
    /// Starts that need not be told and that the first program was skipped for, as the second one counts
    /// them: the kernel counts these skips too.
    pub passed: u64,
    /// How long the runs took that were timed, in nanoseconds.
    pub run_time: u64,
    /// By ring.
    pub rings: [RingCounters; MAX_RINGS],
    /// Always 0.
    pub padding: [u64; 12],
    /// Slots of its ring that were read and may be written again. Written by the reader.
    pub tail: u64,
    /// Always 0.
    pub more_padding: [u64; 15],
}

const _: () = assert!(size_of::<ProgramCounters>() == 512);
const _: () = assert!(offset_of!(ProgramCounters, tail) == 384);

/// What all programs on all CPUs share: the one element of the `SHARED` array.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Shared {
    /// Which requests are told of, see [`first_told`](crate::sample::first_told). Written by the daemon,
    /// together with what comes next: both are one word.
    pub first_told: u32,
    /// 1: who asks for a request is not looked up. Written by the daemon.
    pub without_owners: u32,
    /// What is added to the address of a request, less [`Self::origin`], before it is decided whether the
    /// request is told of. Written by the daemon.
    pub salt: u64,
    /// Records that each ring refused.
    ///
    /// Written only when something is lost, read by every event: the first and the last record of a
    /// life with equal values prove that no record of that life was refused in between.
    pub lost: [u64; MAX_RINGS],
    /// What the programs take off from every address before they do arithmetic with it. Written by the
    /// program that reads requests again, whenever it runs.
    pub origin: u64,
}

const _: () = assert!(offset_of!(Shared, without_owners) == offset_of!(Shared, first_told) + 4);
