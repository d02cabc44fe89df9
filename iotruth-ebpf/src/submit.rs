//! The record of the events that run in the context of a submitter.

use aya_ebpf::{
    helpers::generated::{bpf_get_current_comm, bpf_get_current_pid_tgid},
    programs::BtfTracePointContext,
};
use iotruth_common::{
    probe::Probe,
    record::{RequestRecord, SubmitRecord},
};

use crate::{
    emit::emit,
    field::{Disk, HardwareQueue, Request, Task},
    globals::{TUNING, constant},
};

/// Who runs now.
struct Submitter {
    flags: u32,
    pid: u32,
    tgid: u32,
    comm: [u64; 2],
}

impl Submitter {
    /// Read from the task itself where the kernel can give it, else by helper.
    #[inline(always)]
    fn current() -> Self {
        if constant(&TUNING.task) != 0 {
            let task = Task::current();
            return Self {
                flags: task.flags(),
                pid: task.pid(),
                tgid: task.tgid(),
                comm: task.comm(),
            };
        }
        // SAFETY: the helper has no preconditions.
        let ids = unsafe { bpf_get_current_pid_tgid() };
        let mut comm = [0_u64; 2];
        // SAFETY: the buffer is on the stack and 16 bytes long.
        unsafe { bpf_get_current_comm((&raw mut comm).cast(), 16) };
        Self { flags: 0, pid: ids as u32, tgid: (ids >> 32) as u32, comm }
    }
}

/// Writes the record of a start, an insert or an issue.
#[inline(always)]
pub(crate) fn emit_submit(ctx: &BtfTracePointContext, probe: Probe, request: Request) {
    emit(ctx, probe, request, |head: RequestRecord| {
        let Submitter { flags, pid, tgid, comm } = Submitter::current();
        SubmitRecord {
            request: head,
            diskseq: request.disk(request.queue()).map_or(0, Disk::sequence),
            cgroup: request.cgroup(),
            start_time: request.start_time(),
            // SAFETY: both are 16 bytes without padding.
            comm: unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(comm) },
            pid,
            tgid,
            task_flags: flags,
            internal_tag: request.internal_tag(),
            segments: request.segments(),
            hardware_queue: request.hardware_queue().map_or(0, HardwareQueue::number),
            reserved: 0,
        }
    });
}
