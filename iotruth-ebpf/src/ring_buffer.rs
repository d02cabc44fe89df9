//! Records in BPF ring buffers, which any CPU and any program may write at any time.

use core::ffi::c_void;
use core::mem::size_of;

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_ringbuf_query, bpf_ringbuf_reserve, bpf_ringbuf_submit},
};

use crate::{constant::tuning, maps::ring};

/// The fill of a ring is looked at once in so many records of a CPU and program; a power of two.
const FILL_INTERVAL: u32 = 64;

/// Room for a record, to be submitted; NULL where the ring is full.
#[inline(always)]
pub(crate) fn reserve<T>(number: u32) -> *mut T {
    // SAFETY: the address of a ring buffer map, and the size is a constant.
    unsafe { bpf_ringbuf_reserve(ring(number), size_of::<T>() as u64, 0) }.cast()
}

/// Hands a record to the reader.
#[inline(always)]
pub(crate) fn submit<T>(record: *mut T, number: u32, attempt: u32) {
    let flags = wake_up(ring(number), attempt);
    // SAFETY: the record came from `bpf_ringbuf_reserve` and is submitted once.
    unsafe { bpf_ringbuf_submit(record.cast(), flags) };
}

/// Whether to wake the reader: only now and then, and only where the ring fills up.
///
/// A wake-up for each event costs more than the event; the reader looks by itself every few
/// milliseconds, and this is for bursts.
#[inline(always)]
fn wake_up(ring: *mut c_void, attempt: u32) -> u64 {
    if attempt.is_multiple_of(FILL_INTERVAL) {
        // SAFETY: `ring` is the address of a ring buffer map.
        let fill = unsafe { bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA as u64) };
        if fill > tuning!(fill_mark) {
            return BPF_RB_FORCE_WAKEUP as u64;
        }
    }
    BPF_RB_NO_WAKEUP as u64
}
