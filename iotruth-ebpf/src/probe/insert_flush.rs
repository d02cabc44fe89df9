//! `blk_insert_flush`: the flush machinery is given a request.
//!
//! It tells the starts of flushes before Linux 6.5, which has no `block_io_start`: without it nothing is
//! known of a flush without data but its end. Whoever asks for the flush calls the function, before
//! anything else happens to the request, and with its flags as they were asked for.

use aya_ebpf::{
    EbpfContext as _,
    macros::fentry,
    programs::{BtfTracePointContext, FEntryContext},
};
use iotruth_common::probe::Probe;

use crate::{argument::request, probe::Only, submit::emit_submit};

/// There is no second program of a function.
type Start = Only<{ Probe::Start as u8 }>;

#[fentry(function = "blk_insert_flush")]
#[expect(clippy::needless_pass_by_value, reason = "the macro passes it like that")]
fn blk_insert_flush(ctx: FEntryContext) -> i32 {
    // Both are an array of the arguments.
    let ctx = BtfTracePointContext::new(ctx.as_ptr());
    emit_submit::<Start>(&ctx, request::<Start>(&ctx));
    0
}
