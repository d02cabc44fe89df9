//! `block_rq_issue`: the driver started a request.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::{Probe, Program};

use crate::{argument::request, submit::emit_submit};

programs!(tell(Issue), block_rq_issue, block_rq_issue_first, block_rq_issue_second);

#[inline(always)]
fn tell(ctx: &BtfTracePointContext, program: Program) {
    if let Some(request) = request(ctx, program.probe) {
        emit_submit(ctx, program, request);
    }
}
