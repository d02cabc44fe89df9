//! Memory of the kernel, as far as requests are concerned.

/// Nothing is mapped at an address: `EFAULT`.
const FAULT: i64 = 14;

/// What a look at the address of a request found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked<'a> {
    /// The first bytes of a request.
    Bytes(&'a [u8]),
    /// Nothing is mapped there any more.
    Unmapped,
    /// The kernel did not let it be read, and what is there is not known; the errno.
    Refused(i32),
}

impl<'a> Looked<'a> {
    /// From what `bpf_probe_read_kernel` said of these bytes: 0, or a negative errno.
    ///
    /// Only a fault says that nothing is there. Up to Linux 5.12 the helper answers with EPERM where
    /// the kernel is locked down (`bpf_probe_read_kernel_common`), whatever there is.
    pub(super) fn new(result: i64, bytes: &'a [u8]) -> Self {
        match result.saturating_neg() {
            0 => Self::Bytes(bytes),
            FAULT => Self::Unmapped,
            other => Self::Refused(i32::try_from(other).unwrap_or(i32::MAX)),
        }
    }
}

/// Where requests can be read again.
pub(super) trait Memory: Send {
    /// Reads the requests at these addresses and gives each one to `take`, with its place among the
    /// addresses. After an error the rest of them has not been read.
    fn read(
        &mut self,
        addresses: &[u64],
        take: impl FnMut(usize, Looked<'_>),
    ) -> anyhow::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::Looked;

    #[test]
    fn only_a_fault_says_that_nothing_is_there() {
        assert_eq!(Looked::new(0, &[7]), Looked::Bytes(&[7]));
        assert_eq!(Looked::new(-14, &[7]), Looked::Unmapped);
        assert_eq!(Looked::new(-1, &[7]), Looked::Refused(1));
        assert_eq!(Looked::new(-34, &[7]), Looked::Refused(34));
    }
}
