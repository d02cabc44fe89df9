//! Whether what the kernel counted is what the daemon accounted for.
//!
//! Both sides of the events are of one moment. What is on its way then is shown as the number that it
//! is, and only a zero is called balanced.

use iotruth_common::probe::Probe;
use serde::Serialize;

use crate::engine::{
    account::{Column, Columns},
    ledger::{Absent, DeviceAudit},
    snapshot::{LifeFigures, Snapshot},
};

/// Books of one kind of event: attempts = received + lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct EventBooks {
    pub(super) event: &'static str,
    pub(super) attempts: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    /// Runs of the first program that the kernel skipped; these made no attempt.
    pub(super) recursion: u64,
    /// Those of them that the second program made up for.
    pub(super) second: u64,
    /// Runs of the second program that the kernel skipped.
    pub(super) second_recursion: u64,
    /// What neither told.
    pub(super) unseen: u64,
    /// Attempts that are neither received nor lost: on their way, while it is positive and small.
    pub(super) difference: i128,
    pub(super) balanced: bool,
}

/// Books of the lives: opened = judged + unjudged + merged + open + evicted + given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LifeBooks {
    pub(super) opened: u64,
    pub(super) judged: u64,
    pub(super) unjudged: u64,
    pub(super) merged: u64,
    pub(super) open: u64,
    pub(super) evicted: u64,
    /// Given up while open, because they were no longer followed.
    pub(super) given_up: u64,
    /// Lives that are missing on the other side; other than 0 is a bug.
    pub(super) difference: i128,
    pub(super) balanced: bool,
    /// Lives with a record missing that nobody had counted as lost; in the figures above.
    pub(super) inferred: u64,
    pub(super) impossible: u64,
    pub(super) devices_left_out: u64,
    pub(super) mismatches_dropped: u64,
    pub(super) verdicts_dropped: u64,
}

/// Books of one device against the kernel's own statistics, since its baseline.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StatisticsBooks<'a> {
    pub(super) device: &'a str,
    /// `null` where it cannot be known.
    pub(super) coverage: Option<f64>,
    /// Why it cannot be known.
    pub(super) incomparable: Option<&'static str>,
    /// Whether the device was at rest at the last audit, so that the figures are exact.
    pub(super) at_rest: bool,
    pub(super) audits: u64,
    /// What the kernel counted.
    pub(super) kernel: Counts,
    /// What was counted here.
    pub(super) ours: Counts,
    /// What one side has persistently more than the other; negative where it is the kernel.
    pub(super) residue: Counts<i64>,
    /// Whether the residue is 0 and the coverage, if it is known, is 1.
    pub(super) balanced: bool,
    /// By the kernel's own count.
    pub(super) in_flight: u64,
    /// By the records.
    pub(super) open: u64,
    /// Of those in flight, the ones of which nothing was seen.
    pub(super) not_seen: u64,
    /// So many of these there are at most; `null` where the kernel does not count.
    pub(super) not_seen_at_most: Option<u64>,
}

/// The columns that are compared.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Counts<T = u64> {
    pub(super) reads: T,
    pub(super) sectors_read: T,
    pub(super) writes: T,
    pub(super) sectors_written: T,
    pub(super) discards: T,
    pub(super) sectors_discarded: T,
    pub(super) flushes: T,
}

impl<T> Counts<T> {
    fn new(of: impl Fn(Column) -> T) -> Self {
        Self {
            reads: of(Column::Reads),
            sectors_read: of(Column::SectorsRead),
            writes: of(Column::Writes),
            sectors_written: of(Column::SectorsWritten),
            discards: of(Column::Discards),
            sectors_discarded: of(Column::SectorsDiscarded),
            flushes: of(Column::Flushes),
        }
    }
}

impl<'a> StatisticsBooks<'a> {
    pub(super) fn new(device: &'a str, audit: &DeviceAudit) -> Self {
        let counts = |columns: &Columns| Counts::new(|column| columns.get(column));
        // It has to last before it is a residue.
        let missed = audit.coverage.is_ok_and(|coverage| coverage < 1.0);
        Self {
            device,
            coverage: audit.coverage.ok(),
            incomparable: audit.coverage.err().map(Absent::sentence),
            at_rest: audit.at_rest,
            audits: audit.audits,
            kernel: counts(&audit.kernel),
            ours: counts(&audit.ours),
            residue: Counts::new(|column| audit.residue[column as usize]),
            balanced: audit.residue.iter().all(|residue| *residue == 0) && !missed,
            in_flight: audit.in_flight,
            open: audit.open,
            not_seen: audit.not_seen,
            not_seen_at_most: audit.not_seen_at_most,
        }
    }
}

/// The books of every kind of event.
pub(super) fn events(snapshot: &Snapshot) -> Vec<EventBooks> {
    let rows = Probe::ALL.iter().zip(snapshot.probes).map(|(probe, figures)| {
        let accounted = i128::from(figures.received) + i128::from(figures.lost);
        let difference = i128::from(figures.attempts) - accounted;
        EventBooks {
            event: probe.label(),
            attempts: figures.attempts,
            received: figures.received,
            lost: figures.lost,
            recursion: figures.recursion,
            second: figures.second,
            second_recursion: figures.second_recursion,
            unseen: figures.unseen,
            difference,
            balanced: difference == 0,
        }
    });
    rows.collect()
}

impl LifeBooks {
    pub(super) fn new(lives: &LifeFigures) -> Self {
        let LifeFigures {
            opened,
            judged,
            merged,
            unjudged,
            open,
            evicted,
            given_up,
            inferred,
            impossible,
            devices_left_out,
            mismatches_dropped,
            verdicts_dropped,
        } = *lives;
        let difference = i128::from(opened) - i128::from(lives.ended()) - i128::from(open);
        Self {
            opened,
            judged,
            unjudged,
            merged,
            open,
            evicted,
            given_up,
            difference,
            balanced: difference == 0,
            inferred,
            impossible,
            devices_left_out,
            mismatches_dropped,
            verdicts_dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LifeBooks, events};
    use crate::engine::snapshot::{LifeFigures, ProbeFigures, Snapshot};

    #[test]
    fn differences_have_a_sign_and_only_zero_balances() {
        let mut snapshot = Snapshot::default();
        let figures = |received, lost, recursion| ProbeFigures {
            attempts: 10,
            received,
            lost,
            recursion,
            ..ProbeFigures::default()
        };
        snapshot.probes[0] = figures(7, 3, 5);
        snapshot.probes[1] = figures(7, 1, 0);
        snapshot.probes[2] = figures(12, 0, 0);
        let found: Vec<_> =
            events(&snapshot).iter().take(3).map(|row| (row.difference, row.balanced)).collect();
        assert_eq!(found, [(0, true), (2, false), (-2, false)]);
    }

    #[test]
    fn every_end_of_a_life_is_in_the_sum() {
        let lives = LifeFigures {
            opened: 63,
            judged: 1,
            merged: 2,
            unjudged: 4,
            open: 8,
            evicted: 16,
            given_up: 32,
            inferred: 99,
            ..LifeFigures::default()
        };
        assert!(LifeBooks::new(&lives).balanced, "inferred is not an end of its own");
        let books = LifeBooks::new(&LifeFigures { opened: 62, ..lives });
        assert_eq!((books.difference, books.balanced), (-1, false));
    }
}
