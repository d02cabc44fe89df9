//! The arguments of a tracepoint, at the positions that this kernel has them.

use core::{ffi::c_void, mem::offset_of};

use aya_ebpf::{EbpfContext as _, programs::BtfTracePointContext};
use iotruth_common::{constant::of_layout, layout::Layout};

use crate::{constant::load_at, field::Request, probe::Runs};

/// Where the request is among the arguments of what a program is attached to.
const fn place<P: Runs>() -> u32 {
    of_layout(offset_of!(Layout, request_argument) + size_of::<u32>() * P::PROGRAM.probe as usize)
}

/// The request that the event is about.
#[inline(always)]
pub(crate) fn request<P: Runs>(ctx: &BtfTracePointContext) -> Request {
    Request::new(load_at!(*const c_void, ctx.as_ptr(), place::<P>()))
}

/// Status and bytes of a completion: the two arguments after the request.
///
/// The status is an `int` or a `blk_status_t`; the kernel widens both to 64 bits.
#[inline(always)]
pub(crate) fn status_and_bytes<P: Runs>(ctx: &BtfTracePointContext) -> (i32, u32) {
    let status = load_at!(u64, ctx.as_ptr(), place::<P>(), 1);
    let bytes = load_at!(u64, ctx.as_ptr(), place::<P>(), 2);
    (status as i32, bytes as u32)
}
