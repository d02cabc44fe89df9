//! What becomes of the reader threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};

/// How long the readers may take to drain what is left.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(5);

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

    /// Lets every reader drain what is left and waits for all of them, but not for one that is
    /// stuck: the process ends without it.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + PATIENCE;
        let mut outcome = Ok(());
        for (number, handle) in self.handles.into_iter().enumerate() {
            while !handle.is_finished() && Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let joined = if handle.is_finished() {
                handle.join().unwrap_or_else(|_| {
                    Err(anyhow!("reader {number} panicked; the log has the place"))
                })
            } else {
                Err(anyhow!("reader {number} is stuck and did not stop"))
            };
            outcome = outcome.and(joined);
        }
        outcome
    }
}
