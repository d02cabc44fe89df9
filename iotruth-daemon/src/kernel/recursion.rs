//! How often the kernel skipped a program: a figure of `bpf_prog_info` that aya does not give.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// `BPF_OBJ_GET_INFO_BY_FD` of `enum bpf_cmd`.
const GET_INFO: libc::c_long = 15;

/// The start of `struct bpf_prog_info`, as words; the kernel fills what it has and leaves the rest.
type ProgramInfo = [u64; 27];

/// Index of `recursion_misses` in it: byte 208, since Linux 5.12.
const RECURSION_MISSES: usize = 26;

/// The `info` member of `union bpf_attr`.
#[repr(C)]
struct Attributes {
    program: u32,
    length: u32,
    info: u64,
}

/// How often this program did not run because it was already running on that CPU.
pub(super) fn misses(program: BorrowedFd<'_>) -> io::Result<u64> {
    let mut info: ProgramInfo = [0; 27];
    let attributes = Attributes {
        program: program.as_raw_fd() as u32,
        length: size_of::<ProgramInfo>() as u32,
        info: (&raw mut info) as u64,
    };
    // SAFETY: the kernel reads `attributes` by its size and writes at most `length` bytes to
    // `info`; both live until the call returns, and zeros in `info` ask for no further buffers.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, GET_INFO, &raw const attributes, size_of::<Attributes>())
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(info[RECURSION_MISSES])
}
