//! `block_rq_remap`: request-based device mapper is about to insert this clone.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::{Probe, Program};

use crate::{
    argument::request,
    emit::{Nothing, emit},
};

programs!(tell(Remap), block_rq_remap, block_rq_remap_first, block_rq_remap_second);

#[inline(always)]
fn tell(ctx: &BtfTracePointContext, program: Program) {
    if let Some(request) = request(ctx, program.probe) {
        emit(ctx, program, request, Nothing);
    }
}
