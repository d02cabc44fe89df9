//! Reads requests again that the daemon believes to be open.
//!
//! Attached to nothing: the daemon runs it through `BPF_PROG_TEST_RUN`, with addresses for
//! arguments. They may be stale by then, so this is the one place that reads through a helper, which
//! checks them; what was read says whether it is still the same request.

use aya_ebpf::{
    helpers::generated::bpf_probe_read_kernel, macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use iotruth_common::reread::{REREAD_BATCH, RequestBytes};

use crate::{
    constant::{constant, layout},
    emit::{ORIGIN, put},
    maps::{REREAD, SHARED},
};

#[raw_tracepoint]
#[expect(clippy::needless_pass_by_value, reason = "the macro hands the context over")]
fn reread(ctx: RawTracePointContext) -> i32 {
    let Some(answers) = REREAD.get_ptr_mut(ctx.arg::<u32>(REREAD_BATCH)) else { return -1 };
    let Some(shared) = SHARED.get_ptr_mut(0) else { return -1 };
    put!(shared, origin = (&raw const ORIGIN) as u64);
    let first = answers.cast::<RequestBytes>();
    // Written out: the verifier wants the number of an argument to be a constant.
    read(&ctx, first, 0);
    read(&ctx, first, 1);
    read(&ctx, first, 2);
    read(&ctx, first, 3);
    read(&ctx, first, 4);
    read(&ctx, first, 5);
    read(&ctx, first, 6);
    read(&ctx, first, 7);
    const { assert!(REREAD_BATCH == 8) };
    0
}

#[inline(always)]
fn read(ctx: &RawTracePointContext, first: *mut RequestBytes, number: usize) {
    let slot = first.wrapping_add(number);
    // SAFETY: the slot is within the map's value, so its field is.
    let bytes = unsafe { &raw mut (*slot).bytes };
    let address = ctx.arg::<u64>(number) as *const _;
    let length = constant!(layout!(request_bytes)) as u32;
    // SAFETY: the verifier checks that so many bytes fit; the helper checks the address.
    let result = unsafe { bpf_probe_read_kernel(bytes.cast(), length, address) };
    put!(slot, result = result);
}
