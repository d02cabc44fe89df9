//! How long a phase is under load.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::interrupt;

/// Between two looks at whether it is over.
const STEP: Duration = Duration::from_millis(50);

/// Runs out by itself, or earlier where somebody asks for the end or something fails.
#[derive(Debug)]
pub(crate) struct Clock {
    end: Instant,
    stopped: AtomicBool,
}

impl Clock {
    /// Runs from now on, for so long.
    pub(crate) fn start(load: Duration) -> Self {
        Self { end: Instant::now() + load, stopped: AtomicBool::new(false) }
    }

    /// Whether it has run out.
    pub(crate) fn is_over(&self) -> bool {
        self.cut_short() || Instant::now() >= self.end
    }

    /// Whether it was ended early.
    pub(crate) fn cut_short(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || interrupt::asked()
    }

    /// Sleeps, but not longer than it runs.
    pub(crate) fn pause(&self, time: Duration) {
        let until = self.end.min(Instant::now() + time);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.cut_short() {
                break;
            }
            thread::sleep(left.min(STEP));
        }
    }

    /// What is left.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

/// Ends the clock early where the thread that holds this fails.
#[derive(Debug)]
pub(crate) struct Alarm<'a>(pub(crate) &'a Clock);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stopped.store(true, Ordering::Relaxed);
        }
    }
}
