//! `block_rq_insert`: a request was put on a software or scheduler queue.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::{Probe, Program};

use crate::{argument::request, submit::emit_submit};

programs!(tell(Insert), block_rq_insert, block_rq_insert_first, block_rq_insert_second);

#[inline(always)]
fn tell(ctx: &BtfTracePointContext, program: Program) {
    if let Some(request) = request(ctx, program.probe) {
        emit_submit(ctx, program, request);
    }
}
