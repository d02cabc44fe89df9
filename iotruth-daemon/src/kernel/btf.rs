//! The kernel's description of itself.

use std::{fs, io};

use super::KernelError;

/// Where the kernel gives it.
pub(super) const PATH: &str = "/sys/kernel/btf/vmlinux";

/// Reads the bytes that [`crate::engine::btf::resolve`] understands.
pub fn read_btf() -> Result<Vec<u8>, KernelError> {
    fs::read(PATH).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            KernelError::NoBtf { path: PATH }
        } else {
            KernelError::ReadBtf { path: PATH, source }
        }
    })
}
