//! `block_rq_requeue`: a request went back to a queue.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::Probe;

use crate::{
    argument::request,
    emit::{Nothing, emit},
    probe::Runs,
};

programs!(tell(Requeue), block_rq_requeue, block_rq_requeue_first, block_rq_requeue_second);

#[inline(always)]
fn tell<P: Runs>(ctx: &BtfTracePointContext) {
    emit::<P, _>(ctx, request::<P>(ctx), Nothing);
}
