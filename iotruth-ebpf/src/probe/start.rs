//! `block_io_start`: a request was allocated and accounted.
//!
//! Insert and direct issue see the submitter of a plain read or write as well, so by default only
//! those requests are reported whose later events run in a kernel worker: flushes, and operations
//! other than read and write.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::{probe::Probe, sample::OPERATION};

use crate::{
    argument::request, constant::tuning, emit::pass_over, probe::Runs, submit::emit_submit,
};

/// `REQ_OP_WRITE`; `REQ_OP_READ` is 0. Both are the same in every kernel.
const WRITE: u32 = 1;

programs!(tell(Start), block_io_start, block_io_start_first, block_io_start_second);

#[inline(always)]
fn tell<P: Runs>(ctx: &BtfTracePointContext) {
    let request = request::<P>(ctx);
    if tuning!(start_events) == 0 {
        let flags = request.cmd_flags();
        if flags & OPERATION <= WRITE && u64::from(flags) & tuning!(start_flags) == 0 {
            pass_over::<P>(request);
            return;
        }
    }
    emit_submit::<P>(ctx, request);
}
