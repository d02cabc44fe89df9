//! `block_rq_insert`: a request was put on a software or scheduler queue.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::probe::Probe;

use crate::{argument::request, submit::emit_submit};

#[btf_tracepoint]
fn block_rq_insert(ctx: BtfTracePointContext) {
    if let Some(request) = request(&ctx, Probe::Insert) {
        emit_submit(&ctx, Probe::Insert, request);
    }
}
