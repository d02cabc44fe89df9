//! `block_rq_complete`: some or all bytes of a request ended.
//!
//! Runs in hard interrupts too; the current task has nothing to do with the request.

use aya_ebpf::{maps::Array, programs::BtfTracePointContext};
use iotruth_common::{probe::Probe, record::CompleteRecord};

use crate::{
    argument::{request, status_and_bytes},
    emit::{Rest, emit, put},
    field::{Disk, Request},
    maps::COMPLETES,
    probe::Runs,
};

programs!(tell(Complete), block_rq_complete, block_rq_complete_first, block_rq_complete_second);

#[inline(always)]
fn tell<P: Runs>(ctx: &BtfTracePointContext) {
    let request = request::<P>(ctx);
    let (status, bytes) = status_and_bytes::<P>(ctx);
    emit::<P, _>(ctx, request, End { request, status, bytes });
}

/// What ends with an event.
#[derive(Clone, Copy)]
struct End {
    request: Request,
    status: i32,
    bytes: u32,
}

impl Rest for End {
    type Record = CompleteRecord;

    const SLOTS: &'static Array<CompleteRecord> = &COMPLETES;

    #[inline(always)]
    fn write(self, slot: *mut CompleteRecord, _: Option<Disk>, _: bool) {
        put!(slot, bytes = self.bytes);
        put!(slot, status = self.status);
        put!(slot, without_bio = u32::from(!self.request.has_bio()));
        put!(slot, timeout = self.request.timeout());
    }
}
