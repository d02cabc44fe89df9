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

use super::reader::BeginAnew;

/// How long the readers may take to drain what is left.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The running readers.
#[derive(Debug)]
pub(super) struct Readers {
    /// With their numbers.
    running: Vec<(usize, JoinHandle<anyhow::Result<()>>)>,
    /// What became of one that has ended by itself.
    ended: anyhow::Result<()>,
    stop: Arc<AtomicBool>,
}

impl Readers {
    /// `stop` is what the readers look at.
    pub(super) fn new(handles: Vec<JoinHandle<anyhow::Result<()>>>, stop: Arc<AtomicBool>) -> Self {
        Self { running: handles.into_iter().enumerate().collect(), ended: Ok(()), stop }
    }

    /// An error if a reader has ended, which it does only when something is wrong: alive but blind
    /// is dead. Or all has to begin anew, and then that is the error.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        let ended = self.running.iter().position(|(_, handle)| handle.is_finished());
        let Some(place) = ended else { return Ok(()) };
        let (number, handle) = self.running.remove(place);
        match join(number, handle) {
            Err(error) if error.is::<BeginAnew>() => return Err(error),
            ended => self.ended = ended,
        }
        bail!("reader {number} has died, and what it read is seen by nobody")
    }

    /// Lets every reader drain what is left and waits for all of them, but not for one that is
    /// stuck: the process ends without it.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + PATIENCE;
        let mut outcome = self.ended;
        for (number, handle) in self.running {
            while !handle.is_finished() && Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let joined = if handle.is_finished() {
                join(number, handle)
            } else {
                Err(anyhow!("reader {number} is stuck and did not stop"))
            };
            outcome = outcome.and(joined);
        }
        outcome
    }
}

/// What became of a reader that has ended.
fn join(number: usize, handle: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    let panicked = |_| Err(anyhow!("reader {number} panicked; the log has the place"));
    handle.join().unwrap_or_else(panicked)
}
