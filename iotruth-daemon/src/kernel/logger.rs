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

/// Passes messages of the programs on to `tracing`.
///
/// Readable when messages wait; call [`LogReader::flush`] then, or now and then.
pub struct LogReader(EbpfLogger<Forward>);

/// aya-log speaks to the `log` crate, and the daemon to `tracing`.
struct Forward;

impl log::Log for Forward {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // What is worth a message in a program is worth a line at the level `info`.
        match record.level() {
            log::Level::Error | log::Level::Warn => tracing::warn!("eBPF: {}", record.args()),
            log::Level::Info | log::Level::Debug | log::Level::Trace => {
                tracing::info!("eBPF: {}", record.args());
            }
        }
    }

    fn flush(&self) {}
}

impl LogReader {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        let logger = EbpfLogger::init_with_logger(ebpf, Forward)
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
