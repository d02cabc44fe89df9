//! Open requests, read again from kernel memory.

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use aya::maps::{Array, MapData};
use iotruth_common::reread::{REREAD_BATCH, Reread};

use super::KernelError;

/// Name of the program, and of its map.
pub(super) const PROGRAM: &str = "reread";
pub(super) const MAP: &str = "REREAD";

/// `BPF_PROG_TEST_RUN` of `enum bpf_cmd`.
const TEST_RUN: libc::c_long = 10;

/// Arguments that the kernel takes at most (`MAX_BPF_FUNC_ARGS`).
const ARGUMENTS: usize = 12;

/// An element of the map, in a type that aya knows to be plain.
pub(super) type Words = [u64; size_of::<Reread>() / 8];

/// The `test` member of `union bpf_attr`.
#[derive(Default)]
#[repr(C)]
struct Attributes {
    program: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// Reads requests again, for one reader.
pub struct Rereader {
    program: OwnedFd,
    answers: Array<MapData, Words>,
    /// The element of the map that is this reader's own.
    number: u32,
}

impl Rereader {
    pub(super) const fn new(program: OwnedFd, answers: Array<MapData, Words>, number: u32) -> Self {
        Self { program, answers, number }
    }

    /// The requests at these addresses, at most [`REREAD_BATCH`], as they are in memory now.
    ///
    /// Two system calls, whatever their number. What comes after the last address is not of use.
    pub fn read(&mut self, addresses: &[u64]) -> Result<Reread, KernelError> {
        let mut arguments = [0; ARGUMENTS];
        for (argument, address) in arguments.iter_mut().take(REREAD_BATCH).zip(addresses) {
            *argument = *address;
        }
        arguments[REREAD_BATCH] = u64::from(self.number);
        run(self.program.as_fd(), &arguments).map_err(|source| KernelError::Reread { source })?;
        let words = self
            .answers
            .get(&self.number, 0)
            .map_err(|source| KernelError::Map { map: MAP.into(), source: source.into() })?;
        Ok(bytemuck::pod_read_unaligned(bytemuck::cast_slice(&words)))
    }
}

impl fmt::Debug for Rereader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rereader").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Runs a raw tracepoint program once, here and now, with these arguments.
fn run(program: BorrowedFd<'_>, arguments: &[u64; ARGUMENTS]) -> io::Result<()> {
    let mut attributes = Attributes {
        program: program.as_raw_fd() as u32,
        context_size_in: size_of_val(arguments) as u32,
        context_in: arguments.as_ptr() as u64,
        ..Attributes::default()
    };
    // SAFETY: the kernel reads `attributes` by its size and writes results into it, and reads as
    // many bytes of `arguments` as it says; both live until the call returns.
    let done = unsafe {
        libc::syscall(libc::SYS_bpf, TEST_RUN, &raw mut attributes, size_of::<Attributes>())
    };
    match (done, attributes.result) {
        (0, 0) => Ok(()),
        // The program itself found no place for its answers.
        (0, _) => Err(io::Error::from_raw_os_error(libc::ENOENT)),
        (_, _) => Err(io::Error::last_os_error()),
    }
}
