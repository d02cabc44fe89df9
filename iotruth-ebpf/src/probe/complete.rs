//! `block_rq_complete`: some or all bytes of a request ended.
//!
//! Runs in hard interrupts too; the current task has nothing to do with the request.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::{probe::Probe, record::CompleteRecord};

use crate::{
    argument::{request, status_and_bytes},
    emit::{emit, put},
};

#[btf_tracepoint]
fn block_rq_complete(ctx: BtfTracePointContext) {
    let Some(request) = request(&ctx, Probe::Complete) else { return };
    let Some((status, bytes)) = status_and_bytes(&ctx) else { return };
    emit(&ctx, Probe::Complete, request, |slot: *mut CompleteRecord, _| {
        put!(slot, bytes = bytes);
        put!(slot, status = status);
        put!(slot, without_bio = u32::from(!request.has_bio()));
        put!(slot, timeout = request.timeout());
    });
}
