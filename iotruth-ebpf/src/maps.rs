//! Every map of the object.

use core::ffi::c_void;

use aya_ebpf::{
    macros::map,
    maps::{Array, RingBuf},
};
use iotruth_common::{
    counters::{MAX_RINGS, ProgramCounters, Shared},
    record::{CompleteRecord, RequestRecord, SubmitRecord},
    reread::Reread,
};

/// `BPF_F_MMAPABLE`: the daemon maps the array.
const MAPPED: u32 = 1 << 10;

/// What each program counted on each CPU, and where its ring there is read and written; the daemon makes
/// it long enough for all programs on all possible CPUs.
///
/// A plain array looked up by CPU number, not a per-CPU array: the verifier inlines its look-up on
/// every kernel.
#[map]
pub(crate) static COUNTERS: Array<ProgramCounters> = Array::with_max_entries(1, MAPPED);

/// The slots of all rings of a CPU and program whose records are as long as these.
#[map]
pub(crate) static SUBMITS: Array<SubmitRecord> = Array::with_max_entries(1, MAPPED);

/// As above.
#[map]
pub(crate) static COMPLETES: Array<CompleteRecord> = Array::with_max_entries(1, MAPPED);

/// As above.
#[map]
pub(crate) static REQUESTS: Array<RequestRecord> = Array::with_max_entries(1, MAPPED);

/// What all programs share; one element.
#[map]
pub(crate) static SHARED: Array<Shared> = Array::with_max_entries(1, MAPPED);

/// What was last told of the request that each one is for; the daemon makes it [`MARKS`] long where
/// there are second programs.
///
/// [`MARKS`]: iotruth_common::tuning::MARKS
#[map]
pub(crate) static TOLD: Array<u64> = Array::with_max_entries(1, 0);

/// Requests that were read again; one element for each reader, which has at least one ring.
#[map]
pub(crate) static REREAD: Array<Reread> = Array::with_max_entries(MAX_RINGS as u32, 0);

/// Declares the rings, and the function that finds the one with a number.
macro_rules! rings {
    ($($name:ident = $number:literal),+ $(,)?) => {
        $(
            /// One shard of the records; the daemon sets its size, a page where it is not in use.
            #[map]
            static $name: RingBuf = RingBuf::with_byte_size(4096, 0);
        )+

        /// The ring with this number; numbers from [`MAX_RINGS`] on get the last one.
        ///
        /// An eBPF program cannot index maps, but it may choose between their addresses.
        #[inline(always)]
        pub(crate) fn ring(number: u32) -> *mut c_void {
            const { assert!([$($number),+].len() == MAX_RINGS) };
            let ring = match number {
                $($number => &raw const $name,)+
                _ => &raw const RING15,
            };
            ring.cast_mut().cast()
        }
    };
}

rings! {
    RING0 = 0,
    RING1 = 1,
    RING2 = 2,
    RING3 = 3,
    RING4 = 4,
    RING5 = 5,
    RING6 = 6,
    RING7 = 7,
    RING8 = 8,
    RING9 = 9,
    RING10 = 10,
    RING11 = 11,
    RING12 = 12,
    RING13 = 13,
    RING14 = 14,
    RING15 = 15,
}
