//! What is kept of the few lives that last long or are sent back: most have nothing of it.

use super::kind::Kind;

/// Requeues without progress that make a storm.
const STORM: u32 = 1_000;

/// Requeues without progress that make a storm if they go on for as long as a stuck request waits.
const SLOW_STORM: u32 = 10;

/// Facts about a life that is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    /// Kinds of mismatch that were shown while it was open, one bit each.
    pub(super) told: u32,
    /// Their entries in the log, one for each kind that has one.
    pub(super) entries: Vec<(Kind, u64)>,
    /// See [`Mismatch::waited`](super::mismatch::Mismatch::waited).
    pub(super) waited: Option<u64>,
    /// When it was last found in kernel memory; 0 if never.
    pub(super) confirmed: u64,
    /// Whether its state there was the one that its events left it in.
    pub(super) clear: bool,
    /// When its request was found to be free or somebody else's.
    pub(super) gone: Option<u64>,
    /// Deadline and timeout of its request, as they were last found with the driver; and when they were
    /// first found to be these.
    attempt: Option<((u64, u32), u64)>,
    /// Requeues since bytes were last transferred.
    requeues: u32,
    /// When the first of these was.
    requeued: u64,
}

impl Watch {
    /// It was found in kernel memory.
    pub(super) const fn found(&mut self, at: u64, clear: bool) {
        self.confirmed = at;
        self.clear = clear;
        self.gone = None;
    }

    /// It was found with the driver, with this deadline and timeout: returns when they were first found
    /// to be these.
    pub(super) fn attempt(&mut self, found: (u64, u32), at: u64) -> u64 {
        match self.attempt {
            Some((known, since)) if known == found => since,
            _ => {
                self.attempt = Some((found, at));
                at
            }
        }
    }

    /// It was sent back.
    pub(super) const fn requeue(&mut self, time: u64) {
        if self.requeues == 0 {
            self.requeued = time;
        }
        self.requeues = self.requeues.saturating_add(1);
    }

    /// Bytes of it were transferred.
    pub(super) const fn progress(&mut self) {
        self.requeues = 0;
    }

    /// Whether it is sent back over and over, by `time`.
    pub(super) const fn storms(&self, patience: u64, time: u64) -> bool {
        let lasted = time.saturating_sub(self.requeued);
        self.requeues >= STORM || (self.requeues >= SLOW_STORM && lasted > patience)
    }
}

#[cfg(test)]
mod tests {
    use super::{SLOW_STORM, STORM, Watch};

    #[test]
    fn many_requeues_without_progress_are_a_storm() {
        let mut watch = Watch::default();
        (1..STORM).for_each(|time| watch.requeue(time.into()));
        assert!(!watch.storms(u64::MAX, STORM.into()));
        watch.requeue(STORM.into());
        assert!(watch.storms(u64::MAX, STORM.into()));
        watch.progress();
        assert!(!watch.storms(0, u64::MAX));
    }

    #[test]
    fn some_requeues_are_one_if_they_last() {
        let mut watch = Watch::default();
        (0..u64::from(SLOW_STORM)).for_each(|time| watch.requeue(100 + time));
        assert!(!watch.storms(1_000, 1_100));
        assert!(watch.storms(1_000, 1_101));
    }
}
