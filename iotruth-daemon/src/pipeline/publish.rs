//! From the snapshots of the readers to the one view that is shown.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    auditor::Auditor,
    clock, process,
    pulse::{Pulse, Thread, Watch},
    reader::Mailbox,
    recorder::Progress,
};
use crate::{
    engine::snapshot::Snapshot,
    view::{Anchor, ReaderStatus, Status, View},
};

/// How often the snapshots are looked at.
pub(super) const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// How many looks pass between two readings of the clocks and of the process's own counters.
const LOOKS_PER_AUDIT: u32 = 5;

/// Merges, and swaps a new view in when something changed.
#[derive(Debug)]
pub(super) struct Publisher {
    mailboxes: Vec<Arc<Mailbox>>,
    shown: Vec<Arc<Snapshot>>,
    rings: Vec<usize>,
    auditor: Auditor,
    recording: Option<Progress>,
    /// Notes that stay as they are.
    notes: usize,
    anchor: Anchor,
    looks: u32,
    /// Whether each reader goes round.
    watches: Vec<Watch>,
    /// A reader that is given no CPU.
    starved: Option<usize>,
    /// Why the daemon is about to end.
    fatal: Option<String>,
    view: watch::Sender<Arc<View>>,
}

impl Publisher {
    /// `rings` says how many rings each reader drains.
    pub(super) fn new(
        mailboxes: Vec<Arc<Mailbox>>,
        rings: Vec<usize>,
        auditor: Auditor,
        status: Status,
        recording: Option<Progress>,
    ) -> (Self, watch::Receiver<Arc<View>>) {
        let anchor = clock::anchor();
        let notes = status.notes.len();
        let (view, receiver) = watch::channel(Arc::new(View {
            snapshot: Arc::default(),
            status: Arc::new(status),
            ledger: auditor.newest(),
            anchor,
        }));
        let publisher = Self {
            watches: vec![Watch::default(); mailboxes.len()],
            mailboxes,
            shown: Vec::new(),
            rings,
            auditor,
            recording,
            notes,
            anchor,
            looks: 0,
            starved: None,
            fatal: None,
            view,
        };
        (publisher, receiver)
    }

    /// Shows what the readers know now; the error says which of them has stalled.
    pub(super) fn look(&mut self) -> Result<(), Stalled> {
        self.feel_pulses()?;
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

    /// Looks whether the readers go round. While one of them would and is given no CPU, `/readyz`
    /// fails, and nothing else does: it goes on as soon as the machine lets it.
    fn feel_pulses(&mut self) -> Result<(), Stalled> {
        let mut starved = None;
        for (number, (mailbox, watch)) in self.mailboxes.iter().zip(&mut self.watches).enumerate() {
            match watch.look(mailbox.rounds(), || Thread::read(mailbox.thread())) {
                Pulse::Beats => {}
                Pulse::Starved => starved = Some(number),
                Pulse::Stalled(thread) => return Err(Stalled::new(number, thread)),
            }
        }
        if starved != self.starved {
            match (starved, self.starved) {
                (Some(number), _) => warn!("{}", Starved { number }),
                (None, Some(number)) => info!("reader {number} has a CPU again"),
                (None, None) => {}
            }
            self.starved = starved;
            self.say_whether_ready();
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
            if let Some(recording) = &self.recording {
                status.notes.truncate(self.notes);
                status.notes.push(recording.sentence());
            }
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
    pub(super) fn not_ready(&mut self, reason: String) {
        self.fatal = Some(reason);
        self.say_whether_ready();
    }

    fn say_whether_ready(&self) {
        let starved = self.starved.map(|number| Starved { number }.to_string());
        let reason = self.fatal.clone().or(starved);
        self.update(|status| status.not_ready = reason);
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
#[derive(Clone, Debug, thiserror::Error)]
#[error("reader {number} has stalled, and what happens is seen by nobody; its thread is {thread}")]
pub(super) struct Stalled {
    number: usize,
    thread: String,
}

impl Stalled {
    fn new(number: usize, thread: Option<Thread>) -> Self {
        let thread = thread.map_or_else(|| "gone".to_owned(), |thread| thread.to_string());
        Self { number, thread }
    }
}

/// A reader that would go round if it were given a CPU.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "reader {number} waits for a CPU: the machine has more to do than it can, and what does not fit \
     into the rings meanwhile is lost and counted; give the daemon a lower nice value or CPUs of its own"
)]
struct Starved {
    number: usize,
}
