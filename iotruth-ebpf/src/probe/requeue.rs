//! `block_rq_requeue`: a request went back to a queue.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::{probe::Probe, record::RequestRecord};

use crate::{argument::request, emit::emit};

#[btf_tracepoint]
fn block_rq_requeue(ctx: BtfTracePointContext) {
    if let Some(request) = request(&ctx, Probe::Requeue) {
        emit(&ctx, Probe::Requeue, request, |_: *mut RequestRecord, _| ());
    }
}
