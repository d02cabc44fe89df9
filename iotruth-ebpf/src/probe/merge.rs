//! `block_rq_merge`: a request died because its bios were chained to another one.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::{probe::Probe, record::RequestRecord};

use crate::{argument::request, emit::emit};

#[btf_tracepoint]
fn block_rq_merge(ctx: BtfTracePointContext) {
    if let Some(request) = request(&ctx, Probe::Merge) {
        emit(&ctx, Probe::Merge, request, |_: *mut RequestRecord, _| ());
    }
}
