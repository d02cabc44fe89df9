//! Counts an event and writes its record, whichever way it travels.

use core::{ffi::c_void, mem::size_of};

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    maps::Array,
    programs::BtfTracePointContext,
};
use aya_log_ebpf::{debug, warn};
use iotruth_common::{
    counters::{CpuCounters, MAX_RINGS},
    probe::{Program, Role},
    record::RequestRecord,
};

use crate::{
    field::{Disk, HardwareQueue, Request},
    globals::{LAYOUT, TUNING, constant},
    maps::{COUNTERS, REQUESTS, RING_LOST},
    mark,
    per_cpu::{self, Place},
    ring_buffer,
};

/// Writes one field of a reserved record, straight from a register into the ring.
///
/// A record made first and copied afterwards would be kept on the stack in between.
macro_rules! put {
    ($slot:expr, $field:ident = $value:expr) => {{
        let value = $value;
        let slot = $slot;
        // SAFETY: the slot is reserved, has the size of the record and is aligned to 8; what was
        // there before is plain integers.
        unsafe { (*slot).$field = value }
    }};
}
pub(crate) use put;

/// What follows in a record after its [`RequestRecord`].
///
/// A trait and no closure: the compiler inlines a closure only where it sees fit.
pub(crate) trait Rest: Copy {
    /// The whole record, which starts with a [`RequestRecord`].
    type Record: 'static;

    /// Where such records have their slots in the rings of each CPU and program.
    const SLOTS: &'static Array<Self::Record>;

    /// Writes it; must be inlined. It is given the disk, where the queue has one.
    fn write(self, slot: *mut Self::Record, disk: Option<Disk>);
}

/// Nothing follows.
#[derive(Clone, Copy)]
pub(crate) struct Nothing;

impl Rest for Nothing {
    type Record = RequestRecord;

    const SLOTS: &'static Array<RequestRecord> = &REQUESTS;

    #[inline(always)]
    fn write(self, _: *mut RequestRecord, _: Option<Disk>) {}
}

/// Writes one record. A second program writes nothing of what the first one has told.
#[inline(always)]
pub(crate) fn emit<R: Rest>(
    ctx: &BtfTracePointContext,
    program: Program,
    request: Request,
    rest: R,
) {
    const { assert!(size_of::<R::Record>() >= size_of::<RequestRecord>()) };
    if !mark::leave(program, request) {
        return;
    }
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let shard = if per_cpu() { 0 } else { shard(request) };
    let index = program.index() * MAX_RINGS + shard as usize;
    let Some(counters) = COUNTERS.get_ptr_mut(cpu) else { return };
    let Some(losses) = RING_LOST.get_ptr_mut(0) else { return };
    let lost_here = losses.cast::<u64>().wrapping_add(shard as usize);
    // In this order: what the record knows of losses happened before its time, and whoever finds the
    // counters as high as what was written knows that all that comes is of a later time.
    let counted = if nested() { 0 } else { count(attempts(counters, index)) };
    let ring_lost = load_shared(lost_here) as u32;
    // SAFETY: as above.
    let time = unsafe { bpf_ktime_get_ns() };
    // Between the two an interrupt would make records come out of the order of their numbers.
    let counted = if nested() { count(attempts(counters, index)) } else { counted };
    let attempt = counted as u32;

    let (slot, place) = if per_cpu() {
        per_cpu::reserve(cpu, program, R::SLOTS)
    } else {
        (ring_buffer::reserve(shard), Place::NOWHERE)
    };
    if slot.is_null() {
        count(lost(counters, index));
        add_shared(lost_here);
        if constant(&TUNING.log) != 0 {
            say_full(ctx.as_ptr(), shard, program.probe as u8);
        }
        return;
    }

    let head = slot.cast::<RequestRecord>();
    put!(head, time = time);
    put!(head, request = request.pointer() as u64);
    let queue = request.queue();
    put!(head, queue = queue as u64);
    put!(head, sector = request.sector());
    put!(head, attempt = attempt);
    put!(head, ring_lost = ring_lost);
    let disk = request.disk(queue);
    put!(head, device = disk.map_or(0, Disk::device));
    put!(head, data_len = request.data_len());
    put!(head, cmd_flags = request.cmd_flags());
    put!(head, rq_flags = request.rq_flags());
    put!(head, tag = request.tag());
    put!(head, cpu = cpu as u16);
    put!(head, program = program.to_wire());
    put!(head, state = request.state());
    rest.write(slot, disk);
    if per_cpu() {
        place.publish();
    } else {
        ring_buffer::submit(slot, shard, attempt);
    }

    if constant(&TUNING.log) != 0 && attempt == 1 {
        say_first(ctx.as_ptr(), shard, program.probe as u8, cpu);
    }
}

/// Whether records go into the rings of each CPU and program.
#[inline(always)]
fn per_cpu() -> bool {
    constant(&TUNING.per_cpu) != 0
}

/// Whether a program may be interrupted by itself.
#[inline(always)]
fn nested() -> bool {
    constant(&TUNING.nested) != 0
}

/// Counts an event that need not be told, if the first program was skipped for it: else it would
/// seem to be lost.
#[inline(always)]
pub(crate) fn pass_over(program: Program, request: Request) {
    if matches!(program.role, Role::Only) {
        return;
    }
    if mark::leave(program, request) && matches!(program.role, Role::Second) {
        // SAFETY: the helper has no preconditions.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        let Some(counters) = COUNTERS.get_ptr_mut(cpu) else { return };
        count(passed(counters));
    }
}

/// Says that a ring is full.
///
/// A function of its own, since what a message is made of has to lie on the stack.
#[cold]
#[inline(never)]
fn say_full(ctx: *mut c_void, shard: u32, probe: u8) {
    let ctx = BtfTracePointContext::new(ctx);
    warn!(&ctx, "ring {} is full: a record of probe {} is lost", shard, probe);
}

/// Says that a program has written its first record on this CPU into this ring.
#[cold]
#[inline(never)]
fn say_first(ctx: *mut c_void, shard: u32, probe: u8, cpu: u32) {
    let ctx = BtfTracePointContext::new(ctx);
    debug!(&ctx, "first record of probe {} on CPU {} in ring {}", probe, cpu, shard);
}

/// The ring for a request: a hash of its hardware queue, which one life never leaves.
///
/// The number of the queue would not do, because every disk with a single queue has number 0.
#[inline(always)]
fn shard(request: Request) -> u32 {
    let key = request.hardware_queue().map_or_else(|| request.pointer(), HardwareQueue::pointer);
    (spread(scalar(key)) >> 60) as u32 & constant(&TUNING.ring_mask)
}

/// Spreads the middle bits of an address, the only ones that differ between allocations, over the
/// top ones: the multiplier is the golden ratio.
#[inline(always)]
pub(crate) const fn spread(address: u64) -> u64 {
    address.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The bits of a kernel address, less a constant.
///
/// The verifier forbids arithmetic on pointers other than taking the difference of two, which
/// yields a plain number. The address of a map's value is the same in every run of a program, so
/// the difference to it tells addresses apart just as well.
#[inline(always)]
pub(crate) fn scalar(pointer: *const c_void) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut bits = pointer as u64;
        // SAFETY: one subtraction between two registers. Written out because the compiler would
        // be free to multiply first and subtract afterwards.
        unsafe {
            core::arch::asm!(
                "{bits} -= {origin}",
                bits = inout(reg) bits,
                origin = in(reg) (&raw const LAYOUT) as u64,
                options(pure, nomem, nostack),
            );
        }
        bits
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        (pointer as u64).wrapping_sub((&raw const LAYOUT) as u64)
    }
}

/// Where attempts of this program and ring are counted.
#[inline(always)]
fn attempts(counters: *mut CpuCounters, index: usize) -> *mut u64 {
    counters.cast::<u64>().wrapping_add(index)
}

/// Where refused records of this program and ring are counted.
#[inline(always)]
fn lost(counters: *mut CpuCounters, index: usize) -> *mut u64 {
    let first = counters.wrapping_byte_add(core::mem::offset_of!(CpuCounters, lost));
    first.cast::<u64>().wrapping_add(index)
}

/// Where starts are counted that need not be told.
#[inline(always)]
fn passed(counters: *mut CpuCounters) -> *mut u64 {
    counters.wrapping_byte_add(core::mem::offset_of!(CpuCounters, passed)).cast::<u64>()
}

/// Adds one to a counter of this CPU and gives its new value.
///
/// Since Linux 6.1 a program never interrupts itself, so nobody else writes. Before, an interrupt
/// may: the count stays exact, but then two records may carry the same attempt number and the one
/// below is missing, which user space takes for a loss. That errs on the safe side.
#[inline(always)]
fn count(counter: *mut u64) -> u64 {
    if nested() {
        add_shared(counter);
        return load_shared(counter);
    }
    // SAFETY: the counter is in a map's value, as the verifier checks.
    let value = unsafe { counter.read() }.wrapping_add(1);
    // SAFETY: as above.
    unsafe { counter.write(value) };
    value
}

/// Adds one to a counter that others write too.
#[inline(always)]
fn add_shared(counter: *mut u64) {
    // The atomic addition without a result, which kernels before 5.12 have, must be asked for by
    // name: the compiler picks the one that returns the old value.
    #[cfg(target_arch = "bpf")]
    // SAFETY: the counter is an aligned word of a map's value, as the verifier checks.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({counter} + 0) += {one}",
            counter = in(reg) counter,
            one = in(reg) 1_u64,
            options(nostack),
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: as above.
    unsafe {
        *counter += 1;
    }
}

/// Reads a counter that others write.
#[inline(always)]
fn load_shared(counter: *const u64) -> u64 {
    // SAFETY: the counter is an aligned word of a map's value; such a load is never torn.
    unsafe { counter.read_volatile() }
}
