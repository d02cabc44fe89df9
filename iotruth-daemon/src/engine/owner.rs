//! Who a request belongs to.

/// The task that submitted a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Thread id.
    pub pid: u32,
    /// Process id.
    pub tgid: u32,
    /// Name of the thread, padded with zeros.
    pub comm: [u8; 16],
}

impl Task {
    /// The name up to its first zero; bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn name(&self) -> String {
        let end = self.comm.iter().position(|byte| *byte == 0).unwrap_or(self.comm.len());
        String::from_utf8_lossy(self.comm.get(..end).unwrap_or_default()).into_owned()
    }
}

/// Owner of a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Owner {
    /// The submitter; `None` where only a kernel worker was seen, which acts for somebody else, or nobody looked.
    pub task: Option<Task>,
    /// Cgroup id of the bio; 0 where there is none. Right for write-back by kernel workers too.
    pub cgroup: u64,
}
