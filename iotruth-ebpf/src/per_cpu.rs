//! Records in the rings of this CPU and program, which nobody else writes.
//!
//! Nobody is ever woken: the reader looks by itself.

use core::{mem::offset_of, ptr::null_mut};

use aya_ebpf::maps::Array;
use iotruth_common::{
    constant::of_tuning,
    counters::{ProgramCounters, RingCounters},
    per_cpu::Lane,
    tuning::Tuning,
};

use crate::{
    constant::constant,
    emit::{ring_word, word},
    probe::Runs,
};

/// The constant at this offset of the [`Lane`] of a program.
const fn of_lane<P: Runs>(offset: usize) -> u32 {
    of_tuning(offset_of!(Tuning, lanes) + P::PROGRAM.index() * size_of::<Lane>() + offset)
}

/// What makes a record known.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    head: *mut u64,
    next: u64,
}

impl Place {
    /// Of a record that travels another way.
    pub(crate) const NOWHERE: Self = Self { head: null_mut(), next: 0 };

    /// Hands the record to the reader: all of it was written before.
    ///
    /// Only used where the processor shows stores to others in their order (x86-64).
    #[inline(always)]
    pub(crate) fn publish(self) {
        // Written out, since the compiler may move other stores behind a volatile one.
        #[cfg(target_arch = "bpf")]
        // SAFETY: the head is an aligned word of a map's value, as the verifier checks.
        unsafe {
            core::arch::asm!(
                "*(u64 *)({head} + 0) = {next}",
                head = in(reg) self.head,
                next = in(reg) self.next,
                options(nostack),
            );
        }
        #[cfg(not(target_arch = "bpf"))]
        // SAFETY: as above.
        unsafe {
            self.head.write(self.next);
        }
    }
}

/// Room for a record, and how to publish it; NULL where the ring is full.
#[inline(always)]
pub(crate) fn reserve<P: Runs, T>(
    counters: *mut ProgramCounters,
    cpu: u32,
    ring: u32,
    slots: &Array<T>,
) -> (*mut T, Place) {
    let full = (null_mut(), Place::NOWHERE);
    let head = ring_word(counters, ring, offset_of!(RingCounters, head));
    let tail = word(counters, offset_of!(ProgramCounters, tails)).wrapping_add(ring as usize);
    // SAFETY: an aligned word of a map's value, as the verifier checks; nobody else writes it.
    let written = unsafe { head.read() };
    // SAFETY: such a word too; its reader writes it, and a load is never torn.
    let read = unsafe { tail.read_volatile() };
    let mask = constant!(of_lane::<P>(offset_of!(Lane, mask)));
    if written.wrapping_sub(read) > mask {
        return full;
    }
    let mut first = u64::from(cpu) * constant!(of_lane::<P>(offset_of!(Lane, stride)))
        + constant!(of_lane::<P>(offset_of!(Lane, first)));
    first += u64::from(ring) * (mask + 1);
    let Some(slot) = slots.get_ptr_mut((first + (written & mask)) as u32) else { return full };
    (slot, Place { head, next: written + 1 })
}
