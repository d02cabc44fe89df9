//! The record of the events that run in the context of a submitter.

use core::mem::{offset_of, transmute};

use aya_ebpf::{
    helpers::generated::{bpf_get_current_comm, bpf_get_current_pid_tgid},
    maps::Array,
    programs::BtfTracePointContext,
};
use iotruth_common::record::SubmitRecord;

use crate::{
    constant::tuning,
    emit::{Rest, emit, put},
    field::{Disk, HardwareQueue, Request, Task},
    maps::SUBMITS,
    probe::Runs,
};

/// Writes the record of a start, an insert or an issue.
#[inline(always)]
pub(crate) fn emit_submit<P: Runs>(ctx: &BtfTracePointContext, request: Request) {
    emit::<P, _>(ctx, request, Submission(request));
}

/// What is told of a submission.
#[derive(Clone, Copy)]
struct Submission(Request);

impl Rest for Submission {
    type Record = SubmitRecord;

    const SLOTS: &'static Array<SubmitRecord> = &SUBMITS;

    #[inline(always)]
    fn write(self, slot: *mut SubmitRecord, disk: Option<Disk>, owner: bool) {
        let Self(request) = self;
        put!(slot, diskseq = disk.map_or(0, Disk::sequence));
        put!(slot, start_time = request.start_time());
        if owner {
            put!(slot, cgroup = request.cgroup());
            put_submitter(slot);
        } else {
            put!(slot, cgroup = 0);
            put_nobody(slot);
        }
        put!(slot, internal_tag = request.internal_tag());
        put!(slot, segments = request.segments());
        put!(slot, hardware_queue = request.hardware_queue().map_or(0, HardwareQueue::number));
        put!(slot, without_owner = u32::from(!owner));
    }
}

/// Writes who runs now: read from the task itself where the kernel can give it, else by helper.
#[inline(always)]
fn put_submitter(slot: *mut SubmitRecord) {
    if tuning!(task) != 0 {
        let task = Task::current();
        // SAFETY: both are 16 bytes without padding. The compiler stores two whole words.
        put!(slot, comm = unsafe { transmute::<[u64; 2], [u8; 16]>(task.comm()) });
        put!(slot, pid = task.pid());
        put!(slot, tgid = task.tgid());
        put!(slot, task_flags = task.flags());
    } else {
        // SAFETY: the slot is reserved and as large as the record, so the field is within it.
        let comm = unsafe { &raw mut (*slot).comm };
        // SAFETY: the helper writes all of the 16 bytes, padded with zeros.
        unsafe { bpf_get_current_comm(comm.cast(), 16) };
        // SAFETY: the helper has no preconditions.
        let ids = unsafe { bpf_get_current_pid_tgid() };
        put!(slot, pid = ids as u32);
        put!(slot, tgid = (ids >> 32) as u32);
        put!(slot, task_flags = 0);
    }
}

/// Writes that nobody has looked who it is.
///
/// In stores that stay as they are: of plain ones the compiler would make a call of `memset`, which
/// goes byte by byte and takes about as long as to look who it is.
#[inline(always)]
fn put_nobody(slot: *mut SubmitRecord) {
    const FIRST: usize = offset_of!(SubmitRecord, comm);
    const { assert!(offset_of!(SubmitRecord, task_flags) == FIRST + 24) };
    let first = slot.wrapping_byte_add(FIRST).cast::<u32>();
    for field in 0..7 {
        // SAFETY: the slot is reserved and as large as the record. From `comm` to `task_flags` it has
        // seven such words, without padding, and all bits may be zero.
        unsafe { first.wrapping_add(field).write_volatile(0) };
    }
}
