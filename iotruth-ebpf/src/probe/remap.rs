//! `block_rq_remap`: request-based device mapper is about to insert this clone.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::{probe::Probe, record::RequestRecord};

use crate::{argument::request, emit::emit};

#[btf_tracepoint]
fn block_rq_remap(ctx: BtfTracePointContext) {
    if let Some(request) = request(&ctx, Probe::Remap) {
        emit(&ctx, Probe::Remap, request, |_: *mut RequestRecord, _| ());
    }
}
