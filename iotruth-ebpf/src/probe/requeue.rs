//! `block_rq_requeue`: a request went back to a queue.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::{Probe, Program};

use crate::{
    argument::request,
    emit::{Nothing, emit},
};

programs!(tell(Requeue), block_rq_requeue, block_rq_requeue_first, block_rq_requeue_second);

#[inline(always)]
fn tell(ctx: &BtfTracePointContext, program: Program) {
    if let Some(request) = request(ctx, program.probe) {
        emit(ctx, program, request, Nothing);
    }
}
