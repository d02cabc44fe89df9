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

/// Whether the kernel has a function of this name.
///
/// A look at the strings alone: quick, and good enough for names that occur as nothing else.
pub(super) fn mentions(btf: &[u8], function: &str) -> bool {
    let mut name = Vec::with_capacity(function.len() + 2);
    name.push(0);
    name.extend_from_slice(function.as_bytes());
    name.push(0);
    btf.windows(name.len()).any(|window| window == name)
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn only_whole_names_are_found() {
        let strings = b"\0int\0bpf_prog_inc_misses_counter\0request\0";
        assert!(mentions(strings, "bpf_prog_inc_misses_counter"));
        assert!(mentions(strings, "int"));
        assert!(mentions(strings, "request"));
        assert!(!mentions(strings, "bpf_prog_inc_misses"));
        assert!(!mentions(strings, "quest"));
        assert!(!mentions(b"\0int", "int"));
    }
}
