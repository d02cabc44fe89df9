//! Messages of the programs themselves, for `--bpf-log`.

use std::{
    fmt,
    os::fd::{AsRawFd, RawFd},
};

use aya::Ebpf;
use aya_log::EbpfLogger;

use super::KernelError;

/// Name of the map that carries the messages.
pub(super) const MAP: &str = "AYA_LOGS";

/// Passes messages of the programs on to the `log` crate.
///
/// Readable when messages wait: put it into tokio's `AsyncFd`, and call [`LogReader::flush`] each
/// time it becomes readable.
pub struct LogReader(EbpfLogger<&'static dyn log::Log>);

impl LogReader {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        let logger = EbpfLogger::init(ebpf)
            .map_err(|source| KernelError::Map { map: MAP.into(), source: source.into() })?;
        Ok(Self(logger))
    }

    /// Passes on every message that waits.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

impl AsRawFd for LogReader {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogReader").finish()
    }
}
