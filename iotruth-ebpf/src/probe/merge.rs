//! `block_rq_merge`: a request died because its bios were chained to another one.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::{Probe, Program};

use crate::{
    argument::request,
    emit::{Nothing, emit},
};

programs!(tell(Merge), block_rq_merge, block_rq_merge_first, block_rq_merge_second);

#[inline(always)]
fn tell(ctx: &BtfTracePointContext, program: Program) {
    if let Some(request) = request(ctx, program.probe) {
        emit(ctx, program, request, Nothing);
    }
}
