//! `block_rq_issue`: the driver started a request.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::Probe;

use crate::{argument::request, probe::Runs, submit::emit_submit};

programs!(tell(Issue), block_rq_issue, block_rq_issue_first, block_rq_issue_second);

#[inline(always)]
fn tell<P: Runs>(ctx: &BtfTracePointContext) {
    emit_submit::<P>(ctx, request::<P>(ctx));
}
