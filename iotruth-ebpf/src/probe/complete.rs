//! `block_rq_complete`: some or all bytes of a request ended.
//!
//! Runs in hard interrupts too; the current task has nothing to do with the request.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::{probe::Probe, record::CompleteRecord};

use crate::{
    argument::{request, status_and_bytes},
    emit::emit,
};

#[btf_tracepoint]
fn block_rq_complete(ctx: BtfTracePointContext) {
    let Some(request) = request(&ctx, Probe::Complete) else { return };
    let Some((status, bytes)) = status_and_bytes(&ctx) else { return };
    emit(&ctx, Probe::Complete, request, |record| CompleteRecord {
        request: record,
        bytes,
        status,
        without_bio: u32::from(!request.has_bio()),
        reserved: 0,
    });
}
