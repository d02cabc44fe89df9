//! `block_rq_remap`: request-based device mapper is about to insert this clone.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::Probe;

use crate::{
    argument::request,
    emit::{Nothing, emit},
    probe::Runs,
};

programs!(tell(Remap), block_rq_remap, block_rq_remap_first, block_rq_remap_second);

#[inline(always)]
fn tell<P: Runs>(ctx: &BtfTracePointContext) {
    emit::<P, _>(ctx, request::<P>(ctx), Nothing);
}
