//! The arguments of a tracepoint, at the positions that this kernel has them.

use aya_ebpf::programs::BtfTracePointContext;
use iotruth_common::probe::Probe;

use crate::{
    field::Request,
    globals::{LAYOUT, constant},
};

/// Loads one argument.
///
/// The verifier refuses a context pointer that was added to, and the compiler turns loads in
/// branches into one load at a chosen offset: hence an instruction that it cannot change.
macro_rules! argument {
    ($ctx:expr, $offset:literal) => {{
        #[cfg(target_arch = "bpf")]
        {
            let value: u64;
            // SAFETY: the context is an array of 64-bit arguments, and the verifier refuses the
            // program where the tracepoint has fewer.
            unsafe {
                core::arch::asm!(
                    concat!("{value} = *(u64 *)({ctx} + ", $offset, ")"),
                    value = lateout(reg) value,
                    ctx = in(reg) aya_ebpf::EbpfContext::as_ptr($ctx),
                    options(pure, readonly, nostack),
                );
            }
            value
        }
        #[cfg(not(target_arch = "bpf"))]
        {
            $ctx.arg::<u64>($offset / 8)
        }
    }};
}

/// The request that the event is about; `None` where its position is none that we know.
#[inline(always)]
pub(crate) fn request(ctx: &BtfTracePointContext, probe: Probe) -> Option<Request> {
    let address = match constant(&LAYOUT.request_argument[probe as usize]) {
        0 => argument!(ctx, 0),
        1 => argument!(ctx, 8),
        _ => return None,
    };
    Some(Request::new(address as *const _))
}

/// Status and bytes of a completion: the two arguments after the request.
///
/// The status is an `int` or a `blk_status_t`; the kernel widens both to 64 bits.
#[inline(always)]
pub(crate) fn status_and_bytes(ctx: &BtfTracePointContext) -> Option<(i32, u32)> {
    match constant(&LAYOUT.request_argument[Probe::Complete as usize]) {
        0 => Some((argument!(ctx, 8) as i32, argument!(ctx, 16) as u32)),
        1 => Some((argument!(ctx, 16) as i32, argument!(ctx, 24) as u32)),
        _ => None,
    }
}
