//! `block_io_start`: a request was allocated and accounted.
//!
//! Insert and direct issue see the submitter of a plain read or write as well, so by default only
//! those requests are reported whose later events run in a kernel worker: flushes, and operations
//! other than read and write.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use iotruth_common::probe::Probe;

use crate::{
    argument::request,
    globals::{TUNING, constant},
    submit::emit_submit,
};

/// The low bits of `cmd_flags`: the operation.
const OPERATION: u32 = 0xff;
/// `REQ_OP_WRITE`; `REQ_OP_READ` is 0. Both are the same in every kernel.
const WRITE: u32 = 1;

#[btf_tracepoint]
fn block_io_start(ctx: BtfTracePointContext) {
    let Some(request) = request(&ctx, Probe::Start) else { return };
    if constant(&TUNING.start_events) == 0 {
        let flags = request.cmd_flags();
        if flags & OPERATION <= WRITE && flags & constant(&TUNING.start_flags) == 0 {
            return;
        }
    }
    emit_submit(&ctx, Probe::Start, request);
}
