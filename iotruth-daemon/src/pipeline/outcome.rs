//! What becomes of the reader threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{anyhow, bail};

/// The running readers.
#[derive(Debug)]
pub(super) struct Readers {
    handles: Vec<JoinHandle<anyhow::Result<()>>>,
    stop: Arc<AtomicBool>,
}

impl Readers {
    /// `stop` is what the readers look at.
    pub(super) const fn new(
        handles: Vec<JoinHandle<anyhow::Result<()>>>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { handles, stop }
    }

    /// An error if a reader has ended, which it does only when something is wrong: alive but blind
    /// is dead.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self.handles.iter().position(JoinHandle::is_finished) {
            Some(number) => bail!("reader {number} has died, and what it read is seen by nobody"),
            None => Ok(()),
        }
    }

    /// Lets every reader drain what is left and waits for all of them.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let mut outcome = Ok(());
        for (number, handle) in self.handles.into_iter().enumerate() {
            let joined = handle.join().unwrap_or_else(|_| {
                Err(anyhow!("reader {number} panicked; the log has the place"))
            });
            outcome = outcome.and(joined);
        }
        outcome
    }
}
