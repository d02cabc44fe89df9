//! Runs of programs that the kernel skipped: which of the events are lost.
//!
//! An event is lost if the first program of its tracepoint was skipped and the second one, where
//! there is one, did not make up for it. The kernel counts a skip before the second program begins,
//! and that one counts what it makes up for, which always was skipped. So where the skips are read
//! last, the difference is at least the number of lost events. It is more for a moment, while a task
//! is on its way from the one program to the other.

use iotruth_common::probe::PROBES;

/// How long a difference must last before it is taken for lost events, in nanoseconds.
const SETTLED_AFTER: u64 = 1_000_000_000;

/// How often it must have been seen by then.
const SETTLED_READINGS: u32 = 8;

/// A difference that is above what is known to be lost.
#[derive(Clone, Copy, Debug)]
struct Open {
    since: u64,
    readings: u32,
    /// The least that it ever was.
    least: u64,
}

/// One tracepoint.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Runs of the first program that were skipped, as last read.
    skipped: u64,
    /// Events that are known to be lost; fewer again where one of them was told after all.
    lost: u64,
    /// The most that were ever known to be lost: what is shown, and never falls.
    shown: u64,
    open: Option<Open>,
}

/// What is known of the skips of every tracepoint.
#[derive(Debug)]
pub(super) struct Skips {
    /// Whether tracepoints have second programs.
    second: bool,
    accounts: [Account; PROBES],
}

impl Skips {
    /// Nothing was skipped so far.
    pub(super) fn new(second: bool) -> Self {
        Self { second, accounts: [Account::default(); PROBES] }
    }

    /// Takes counters that were read at `time`: the skips of the first program, and before them what
    /// the second one had made up for, by probe. Says whether an event may have been lost since the
    /// last time.
    pub(super) fn take(
        &mut self,
        time: u64,
        skipped: &[u64; PROBES],
        made_up: &[u64; PROBES],
    ) -> bool {
        let mut lost = false;
        for (account, (skipped, made_up)) in
            self.accounts.iter_mut().zip(skipped.iter().zip(made_up))
        {
            let untold = skipped.saturating_sub(*made_up);
            // One that was skipped since then and is not told yet adds to those that were lost
            // before, so that the difference is above what is known to be lost.
            lost |= *skipped > account.skipped && untold > account.lost;
            account.skipped = *skipped;
            if self.second {
                account.settle(time, untold);
            } else {
                account.lost = untold;
            }
            account.shown = account.shown.max(account.lost);
        }
        lost
    }

    /// Whether the counters are to be read again soon.
    pub(super) fn are_open(&self) -> bool {
        self.accounts.iter().any(|account| account.open.is_some())
    }

    /// Events of this probe that were told by nobody.
    pub(super) fn lost(&self, probe: usize) -> u64 {
        self.accounts.get(probe).map_or(0, |account| account.shown)
    }
}

impl Account {
    /// Takes for lost what was missing at every reading for long enough.
    fn settle(&mut self, time: u64, untold: u64) {
        self.lost = self.lost.min(untold);
        if untold == self.lost {
            self.open = None;
            return;
        }
        let open = self.open.get_or_insert(Open { since: time, readings: 0, least: untold });
        open.readings += 1;
        open.least = open.least.min(untold);
        let settled = time.saturating_sub(open.since) >= SETTLED_AFTER;
        if settled && open.readings >= SETTLED_READINGS {
            self.lost = open.least;
            let more = untold > self.lost;
            self.open = more.then_some(Open { since: time, readings: 1, least: untold });
        }
    }
}

#[cfg(test)]
mod tests {
    use iotruth_common::probe::PROBES;

    use super::{SETTLED_AFTER, Skips};

    /// Counters of one probe, read every tenth of what it takes to settle.
    struct Trial {
        skips: Skips,
        time: u64,
    }

    impl Trial {
        fn new(second: bool) -> Self {
            Self { skips: Skips::new(second), time: 7 * SETTLED_AFTER }
        }

        fn take(&mut self, skipped: u64, told: u64) -> bool {
            let only = |count| {
                let mut counts = [0; PROBES];
                counts[2] = count;
                counts
            };
            self.time += SETTLED_AFTER / 10;
            self.skips.take(self.time, &only(skipped), &only(told))
        }

        fn lost(&self) -> u64 {
            self.skips.lost(2)
        }
    }

    #[test]
    fn without_second_programs_every_skip_is_a_loss_at_once() {
        let mut trial = Trial::new(false);
        assert!(!trial.take(0, 0));
        assert!(trial.take(3, 0));
        assert_eq!(trial.lost(), 3);
        assert!(!trial.take(3, 0));
        assert!(trial.take(4, 0));
        assert_eq!(trial.lost(), 4);
        assert!(!trial.skips.are_open());
    }

    #[test]
    fn what_the_second_program_told_is_not_lost() {
        let mut trial = Trial::new(true);
        for count in 0..50 {
            assert!(!trial.take(count, count));
        }
        assert_eq!(trial.lost(), 0);
    }

    #[test]
    fn what_is_told_a_little_later_taints_and_is_not_counted() {
        let mut trial = Trial::new(true);
        for count in 0..50 {
            assert!(trial.take(2 * count + 1, 2 * count));
            assert!(!trial.take(2 * count + 1, 2 * count + 1));
        }
        assert_eq!(trial.lost(), 0);
        assert!(!trial.skips.are_open());
    }

    #[test]
    fn what_nobody_told_taints_once_it_is_settled_only_once_and_is_counted() {
        let mut trial = Trial::new(true);
        assert!(!trial.take(10, 10));
        assert!(trial.take(12, 11));
        assert!(trial.skips.are_open());
        for _ in 0..20 {
            assert!(!trial.take(12, 11));
        }
        assert_eq!(trial.lost(), 1);
        assert!(!trial.skips.are_open());
        assert!(!trial.take(13, 12));
        assert!(trial.take(14, 12));
        assert_eq!(trial.lost(), 1, "not settled yet");
    }

    /// The one that came back must not hide the next one that is lost.
    #[test]
    fn what_comes_back_after_it_was_given_up_leaves_no_room_for_another() {
        let mut trial = Trial::new(true);
        assert!(trial.take(1, 0));
        for _ in 0..20 {
            trial.take(1, 0);
        }
        assert_eq!(trial.lost(), 1);
        assert!(!trial.take(1, 1));
        assert!(trial.take(2, 1));
        assert_eq!(trial.lost(), 1, "it never falls");
    }
}
