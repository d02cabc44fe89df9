//! From the kernel's rings to views that can be shown.

use thiserror::Error;

use crate::config::Config;

/// Why the daemon does not run.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// There is no eBPF program in this binary.
    #[error(
        "this binary was built without eBPF, so it cannot see any request; build it with the \
         feature kernel: cargo xtask build"
    )]
    WithoutEbpf,
}

/// Runs the daemon until it is told to stop.
pub fn start(_config: Config) -> Result<(), PipelineError> {
    Err(PipelineError::WithoutEbpf)
}
