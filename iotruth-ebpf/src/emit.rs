//! Counts an event and writes its record, whichever way it travels.

use core::{
    ffi::c_void,
    mem::{offset_of, size_of},
};

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    maps::Array,
    programs::BtfTracePointContext,
};
use aya_log_ebpf::{debug, warn};
use iotruth_common::{
    counters::{LONGEST_TIMED, ProgramCounters, RingCounters, Shared, TIMED},
    probe::{PROGRAMS, Program, Role},
    record::RequestRecord,
    sample,
};

use crate::{
    constant::tuning,
    field::{Disk, HardwareQueue, Request},
    maps::{COUNTERS, REQUESTS, SHARED},
    mark,
    per_cpu::{self, Place},
    probe::Runs,
    ring_buffer,
};

/// Its address is what the programs take off from every other one before they do arithmetic with it.
#[unsafe(no_mangle)]
pub(crate) static ORIGIN: u64 = 0;

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

    /// Writes it; must be inlined. It is given the disk, where the queue has one, and whether to look
    /// up who asks for the request.
    fn write(self, slot: *mut Self::Record, disk: Option<Disk>, owner: bool);
}

/// Nothing follows.
#[derive(Clone, Copy)]
pub(crate) struct Nothing;

impl Rest for Nothing {
    type Record = RequestRecord;

    const SLOTS: &'static Array<RequestRecord> = &REQUESTS;

    #[inline(always)]
    fn write(self, _: *mut RequestRecord, _: Option<Disk>, _: bool) {}
}

/// Writes one record. A second program writes nothing of what the first one has told.
#[inline(always)]
pub(crate) fn emit<P: Runs, R: Rest>(ctx: &BtfTracePointContext, request: Request, rest: R) {
    if tuning!(plain) != 0 {
        tell::<P, R, true>(ctx, request, rest);
    } else {
        tell::<P, R, false>(ctx, request, rest);
    }
}

/// With `PLAIN` the compiler knows what [`Tuning::plain`](iotruth_common::tuning::Tuning::plain) says:
/// what would depend on the constants one by one would keep several registers for what is always 0.
#[inline(always)]
fn tell<P: Runs, R: Rest, const PLAIN: bool>(
    ctx: &BtfTracePointContext,
    request: Request,
    rest: R,
) {
    const { assert!(size_of::<R::Record>() >= size_of::<RequestRecord>()) };
    let program = P::PROGRAM;
    let per_cpu = PLAIN || tuning!(per_cpu) != 0;
    // A program may be interrupted by itself.
    let nested = !PLAIN && tuning!(nested) != 0;
    let log = !PLAIN && tuning!(log) != 0;
    if !mark::leave::<P>(request) {
        return;
    }
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let (Some(counters), Some(shared)) = (counters(cpu, program), SHARED.get_ptr_mut(0)) else {
        return;
    };
    let ring = if PLAIN { 0 } else { ring(request) };
    let [attempts, lost] = [offset_of!(RingCounters, attempts), offset_of!(RingCounters, lost)]
        .map(|offset| ring_word(counters, ring, offset));
    // After the mark was left, or else a second program would tell what the first one has left out.
    let left_out = word(counters, offset_of!(ProgramCounters, left_out));
    let timer = Timer::start(counters, load_shared(attempts).wrapping_add(load_shared(left_out)));
    if is_left_out(shared, request) {
        count::<PLAIN>(left_out);
        timer.stop();
        return;
    }
    let lost_here = shared
        .wrapping_byte_add(offset_of!(Shared, lost))
        .cast::<u64>()
        .wrapping_add(ring as usize);
    // In this order: what the record knows of losses happened before its time, and whoever finds the
    // counters as high as what was written knows that all that comes is of a later time.
    let counted = if nested { 0 } else { count::<PLAIN>(attempts) };
    let ring_lost = load_shared(lost_here) as u32;
    // SAFETY: as above.
    let time = unsafe { bpf_ktime_get_ns() };
    // Between the two an interrupt would make records come out of the order of their numbers.
    let counted = if nested { count::<PLAIN>(attempts) } else { counted };
    let attempt = counted as u32;

    let (slot, place) = if per_cpu {
        per_cpu::reserve::<P, _>(counters, cpu, ring, R::SLOTS)
    } else {
        (ring_buffer::reserve(ring), Place::NOWHERE)
    };
    if slot.is_null() {
        count::<PLAIN>(lost);
        add_shared(lost_here, 1);
        if log {
            say_full(ctx.as_ptr(), ring, program.probe as u8);
        }
        timer.stop();
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
    rest.write(slot, disk, shared_flag(shared, offset_of!(Shared, without_owners)) == 0);
    if per_cpu {
        place.publish();
    } else {
        ring_buffer::submit(slot, ring, attempt);
    }
    timer.stop();

    if log && attempt == 1 {
        say_first(ctx.as_ptr(), ring, program.probe as u8, cpu);
    }
}

/// Counts an event that need not be told, if the first program was skipped for it: else it would
/// seem to be lost.
#[inline(always)]
pub(crate) fn pass_over<P: Runs>(request: Request) {
    let program = P::PROGRAM;
    if matches!(program.role, Role::Only) {
        return;
    }
    if mark::leave::<P>(request) && matches!(program.role, Role::Second) {
        // SAFETY: the helper has no preconditions.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        let Some(counters) = counters(cpu, program) else { return };
        count::<false>(word(counters, offset_of!(ProgramCounters, passed)));
    }
}

/// Says that a ring is full.
///
/// A function of its own, since what a message is made of has to lie on the stack.
#[cold]
#[inline(never)]
fn say_full(ctx: *mut c_void, ring: u32, probe: u8) {
    let ctx = BtfTracePointContext::new(ctx);
    warn!(&ctx, "ring {} is full: a record of probe {} is lost", ring, probe);
}

/// Says that a program has written its first record on this CPU into this ring.
#[cold]
#[inline(never)]
fn say_first(ctx: *mut c_void, ring: u32, probe: u8, cpu: u32) {
    let ctx = BtfTracePointContext::new(ctx);
    debug!(&ctx, "first record of probe {} on CPU {} in ring {}", probe, cpu, ring);
}

/// The ring for a request: a hash of its hardware queue, which one life never leaves.
///
/// The number of the queue would not do, because every disk with a single queue has number 0. And the
/// request would not, because a flush is another request than those that wait for it.
#[inline(always)]
fn ring(request: Request) -> u32 {
    if tuning!(ring_mask) == 0 {
        return 0;
    }
    let key = request.hardware_queue().map_or_else(|| request.pointer(), HardwareQueue::pointer);
    (spread(scalar(key)) >> 60) as u32 & tuning!(ring_mask) as u32
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
                origin = in(reg) (&raw const ORIGIN) as u64,
                options(pure, nomem, nostack),
            );
        }
        bits
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        (pointer as u64).wrapping_sub((&raw const ORIGIN) as u64)
    }
}

/// What this program counts on this CPU.
#[inline(always)]
fn counters(cpu: u32, program: Program) -> Option<*mut ProgramCounters> {
    COUNTERS.get_ptr_mut(cpu * PROGRAMS as u32 + program.index() as u32)
}

/// The word at this offset of what a program counts.
#[inline(always)]
pub(crate) fn word(counters: *mut ProgramCounters, offset: usize) -> *mut u64 {
    counters.wrapping_byte_add(offset).cast()
}

/// The word at this offset of what a program counts of a ring.
#[inline(always)]
pub(crate) fn ring_word(counters: *mut ProgramCounters, ring: u32, offset: usize) -> *mut u64 {
    counters
        .wrapping_byte_add(offset_of!(ProgramCounters, rings) + offset)
        .cast::<RingCounters>()
        .wrapping_add(ring as usize)
        .cast()
}

/// A setting that the daemon may change at any time.
#[inline(always)]
fn shared_flag(shared: *mut Shared, offset: usize) -> u32 {
    let flag = shared.wrapping_byte_add(offset).cast::<u32>();
    // SAFETY: the setting is an aligned half of a word of a map's value; such a load is never torn.
    unsafe { flag.read_volatile() }
}

/// Whether nothing is to be told of a request, because it is not in the sample.
#[inline(always)]
fn is_left_out(shared: *mut Shared, request: Request) -> bool {
    let first_told = shared_flag(shared, offset_of!(Shared, first_told));
    if first_told == 0 {
        return false;
    }
    let salt = load_shared(shared.wrapping_byte_add(offset_of!(Shared, salt)).cast());
    let salted = scalar(request.pointer()).wrapping_add(salt);
    sample::is_left_out(first_told, salted, request.cmd_flags())
}

/// Times one run in [`TIMED`], less what it takes to look at the clock for that: as much as all the rest of a
/// run that tells nothing.
#[derive(Clone, Copy)]
struct Timer {
    run_time: *mut u64,
    /// When the run would have begun if no look took any time; 0 where it is not timed.
    begin: u64,
}

impl Timer {
    /// `runs` is how many there were before that told something or left it out.
    #[inline(always)]
    fn start(counters: *mut ProgramCounters, runs: u64) -> Self {
        let run_time = word(counters, offset_of!(ProgramCounters, run_time));
        let timed = runs % TIMED == TIMED - 1;
        let begin = if timed {
            // SAFETY: the helper has no preconditions.
            let look = || unsafe { bpf_ktime_get_ns() };
            let (first, second) = (look(), look());
            // From one look to the next nothing happens but that one.
            second.wrapping_add(second.wrapping_sub(first))
        } else {
            0
        };
        Self { run_time, begin }
    }

    #[inline(always)]
    fn stop(self) {
        if self.begin != 0 {
            // SAFETY: as above.
            let end = unsafe { bpf_ktime_get_ns() };
            // An interrupt between the first two looks, or a slow one of them, leaves less than nothing.
            let took = if end > self.begin { end.wrapping_sub(self.begin) } else { 0 };
            // Rare, so that whether others write it need not be asked.
            add_shared(self.run_time, if took < LONGEST_TIMED { took } else { LONGEST_TIMED });
        }
    }
}

/// Adds one to a counter of this CPU and gives its new value.
///
/// Since Linux 6.1 a program never interrupts itself, so nobody else writes. Before, an interrupt
/// may: the count stays exact, but then two records may carry the same attempt number and the one
/// below is missing, which user space takes for a loss. That errs on the safe side.
#[inline(always)]
fn count<const PLAIN: bool>(counter: *mut u64) -> u64 {
    if !PLAIN && tuning!(nested) != 0 {
        add_shared(counter, 1);
        return load_shared(counter);
    }
    // SAFETY: the counter is in a map's value, as the verifier checks.
    let value = unsafe { counter.read() }.wrapping_add(1);
    // SAFETY: as above.
    unsafe { counter.write(value) };
    value
}

/// Adds to a counter that others write too.
#[inline(always)]
fn add_shared(counter: *mut u64, amount: u64) {
    // The atomic addition without a result, which kernels before 5.12 have, must be asked for by
    // name: the compiler picks the one that returns the old value.
    #[cfg(target_arch = "bpf")]
    // SAFETY: the counter is an aligned word of a map's value, as the verifier checks.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({counter} + 0) += {amount}",
            counter = in(reg) counter,
            amount = in(reg) amount,
            options(nostack),
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: as above.
    unsafe {
        *counter += amount;
    }
}

/// Reads a counter that others write.
#[inline(always)]
fn load_shared(counter: *const u64) -> u64 {
    // SAFETY: the counter is an aligned word of a map's value; such a load is never torn.
    unsafe { counter.read_volatile() }
}
