//! `block_rq_issue`: the driver started a request.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::probe::Probe;

use crate::{argument::request, submit::emit_submit};

#[btf_tracepoint]
fn block_rq_issue(ctx: BtfTracePointContext) {
    if let Some(request) = request(&ctx, Probe::Issue) {
        emit_submit(&ctx, Probe::Issue, request);
    }
}
