//! Reading open requests again, on demand: what the program `reread` leaves for the daemon.

/// Requests that one run reads. The addresses are the first arguments of the run; the one after them
/// is the number of the [`Reread`] that the answers go to.
pub const REREAD_BATCH: usize = 8;

/// Most bytes that are read of one request: `struct request` up to the last field of interest.
pub const REREAD_BYTES: usize = 512;

/// A `struct request` as it lay in kernel memory.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct RequestBytes {
    /// 0 where it could be read, else a negative errno: nothing is mapped at its address.
    pub result: i64,
    /// Its first bytes, as many as [`Layout::request_bytes`](crate::layout::Layout) says.
    pub bytes: [u64; REREAD_BYTES / 8],
}

/// The answers of one run, in the order of the addresses. One element of the `REREAD` array for each
/// reader of the daemon.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Reread {
    /// One for each address.
    pub requests: [RequestBytes; REREAD_BATCH],
}

const _: () = assert!(core::mem::size_of::<Reread>() == REREAD_BATCH * (8 + REREAD_BYTES));
