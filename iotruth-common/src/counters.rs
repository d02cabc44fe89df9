//! The counters that the programs keep beside the rings, and what they are told while they run.

use core::mem::{offset_of, size_of};

/// How many BPF ring buffers the eBPF object declares; the daemon uses a power of two of them, at most
/// all. Where each CPU and program has rings of its own, it has as many at most, and those with the same
/// number are one ring to whoever reads them.
pub const MAX_RINGS: usize = 16;

/// One run of a program in so many is timed; a power of two.
pub const TIMED: u64 = 1024;

/// What a timed run counts for at most, in nanoseconds. One that an interrupt, another task or the
/// hypervisor has come into is no measure of [`TIMED`] others.
pub const LONGEST_TIMED: u64 = 1 << 15;

/// What one program has counted of one ring on one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct RingCounters {
    /// Records that it tried to write, counted before the reservation.
    pub attempts: u64,
    /// Attempts that the ring refused because it was full.
    pub lost: u64,
    /// Slots of its own ring of this number that were written, counted after the last byte of the record;
    /// for ever.
    pub head: u64,
    /// Always 0.
    pub padding: u64,
}

/// What one program has counted on one CPU, and how far its rings of that CPU were written and read: the
/// element `cpu * PROGRAMS + program` of the `COUNTERS` array.
///
/// All that a run writes is in one cache line, where records travel in the rings of each CPU and
/// program and there is one reader. What readers write is in others, two lines apart, since processors
/// fetch lines in pairs. The size is a power of two, so that the program finds its element by a shift.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct ProgramCounters {
    /// Events of requests that are not in the sample, and that it has therefore not told.
    pub left_out: u64,
    /// Starts that need not be told and that the first program was skipped for, as the second one counts
    /// them: the kernel counts these skips too.
    pub passed: u64,
    /// How long the runs took that were timed, in nanoseconds.
    pub run_time: u64,
    /// Always 0.
    pub padding: u64,
    /// By ring.
    pub rings: [RingCounters; MAX_RINGS],
    /// Always 0.
    pub more_padding: [u64; 12],
    /// Slots of its own rings that were read and may be written again, by ring. Written by the readers.
    pub tails: [u64; MAX_RINGS],
    /// Always 0.
    pub last_padding: [u64; 32],
}

const _: () = assert!(size_of::<ProgramCounters>() == 1024);
const _: () = assert!(offset_of!(ProgramCounters, rings) + size_of::<RingCounters>() == 64);
const _: () = assert!(offset_of!(ProgramCounters, tails) == 640);

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
