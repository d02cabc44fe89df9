//! `block_rq_merge`: a request died because its bios were chained to another one.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::Probe;

use crate::{
    argument::request,
    emit::{Nothing, emit},
    probe::Runs,
};

programs!(tell(Merge), block_rq_merge, block_rq_merge_first, block_rq_merge_second);

#[inline(always)]
fn tell<P: Runs>(ctx: &BtfTracePointContext) {
    emit::<P, _>(ctx, request::<P>(ctx), Nothing);
}
