//! From the snapshots of the readers to the one view that is shown.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{auditor::Auditor, clock, process, reader::Mailbox, tick::Tick};
use crate::{
    engine::snapshot::Snapshot,
    view::{Anchor, ReaderStatus, Status, View},
};

/// How often the snapshots are looked at.
pub(super) const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// How many looks pass between two readings of the clocks and of the process's own counters.
const LOOKS_PER_AUDIT: u32 = 5;

/// A reader that has not gone round between so many looks is stalled. Looks are counted rather than
/// seconds, because a process that was stopped, or a machine that slept, has lost seconds and not
/// its readers.
const STALLED: u32 = 15;
const _: () = assert!(PUBLISH_EVERY.as_millis() * STALLED as u128 > 20 * Tick::LONGEST.as_millis());

/// Merges, and swaps a new view in when something changed.
#[derive(Debug)]
pub(super) struct Publisher {
    mailboxes: Vec<Arc<Mailbox>>,
    shown: Vec<Arc<Snapshot>>,
    rings: Vec<usize>,
    auditor: Auditor,
    anchor: Anchor,
    looks: u32,
    /// Rounds of each reader at the last look, and how many looks have seen just these.
    rounds: Vec<(u64, u32)>,
    view: watch::Sender<Arc<View>>,
}

impl Publisher {
    /// `rings` says how many rings each reader drains.
    pub(super) fn new(
        mailboxes: Vec<Arc<Mailbox>>,
        rings: Vec<usize>,
        auditor: Auditor,
        status: Status,
    ) -> (Self, watch::Receiver<Arc<View>>) {
        let anchor = clock::anchor();
        let (view, receiver) = watch::channel(Arc::new(View {
            snapshot: Arc::default(),
            status: Arc::new(status),
            ledger: auditor.newest(),
            anchor,
        }));
        let rounds = vec![(0, 0); mailboxes.len()];
        let shown = Vec::new();
        (Self { mailboxes, shown, rings, auditor, anchor, looks: 0, rounds, view }, receiver)
    }

    /// Shows what the readers know now; the error says which of them has stalled.
    pub(super) fn look(&mut self) -> Result<(), Stalled> {
        for (number, (mailbox, seen)) in self.mailboxes.iter().zip(&mut self.rounds).enumerate() {
            let rounds = mailbox.rounds();
            *seen = if seen.0 == rounds { (rounds, seen.1 + 1) } else { (rounds, 0) };
            if seen.1 >= STALLED {
                return Err(Stalled { number });
            }
        }
        let audit = self.looks.is_multiple_of(LOOKS_PER_AUDIT);
        self.looks = self.looks.wrapping_add(1);
        if audit {
            self.anchor = clock::anchor();
        }
        let snapshots: Vec<_> = self.mailboxes.iter().map(|mailbox| mailbox.snapshot()).collect();
        let changed = snapshots.len() != self.shown.len()
            || snapshots.iter().zip(&self.shown).any(|(new, old)| !Arc::ptr_eq(new, old));
        if changed || audit {
            self.show(&snapshots, audit);
            self.shown = snapshots;
        }
        Ok(())
    }

    fn show(&self, snapshots: &[Arc<Snapshot>], audit: bool) {
        let snapshot = match snapshots {
            [only] => Arc::clone(only),
            several => {
                let mut all = Snapshot::default();
                for snapshot in several {
                    all.merge(snapshot);
                }
                Arc::new(all)
            }
        };
        let readers = self
            .mailboxes
            .iter()
            .zip(&self.rings)
            .map(|(mailbox, rings)| ReaderStatus { rings: *rings, lag: mailbox.lag() })
            .collect();
        let process = audit.then(process::status);
        self.update(|status| {
            status.readers = readers;
            if let Some(process) = process {
                status.process = process;
            }
        });
        self.view.send_modify(|view| {
            let status = Arc::clone(&view.status);
            let ledger = self.auditor.newest();
            *view = Arc::new(View { snapshot, status, ledger, anchor: self.anchor });
        });
    }

    /// From now on `/readyz` fails, for this reason.
    pub(super) fn not_ready(&self, reason: String) {
        self.update(|status| status.not_ready = Some(reason));
    }

    fn update(&self, change: impl FnOnce(&mut Status)) {
        self.view.send_modify(|view| {
            let mut status = (*view.status).clone();
            change(&mut status);
            *view = Arc::new(View { status: Arc::new(status), ..(**view).clone() });
        });
    }
}

/// A reader that does not go round any more.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("reader {number} has stalled, and what happens is seen by nobody")]
pub(super) struct Stalled {
    number: usize,
}
