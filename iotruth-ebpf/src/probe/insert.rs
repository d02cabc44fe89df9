//! `block_rq_insert`: a request was put on a software or scheduler queue.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::Probe;

use crate::{argument::request, probe::Runs, submit::emit_submit};

programs!(tell(Insert), block_rq_insert, block_rq_insert_first, block_rq_insert_second);

#[inline(always)]
fn tell<P: Runs>(ctx: &BtfTracePointContext) {
    emit_submit::<P>(ctx, request::<P>(ctx));
}
