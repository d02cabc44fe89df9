//! From the snapshots of the readers to the one view that is shown.

use std::{future, sync::Arc, time::Duration};

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{
    auditor::Auditor,
    clock,
    helper::{Helper, Told},
    process,
    pulse::{self, Pulse, Thread, Watch},
    reader::Mailbox,
    recorder::Progress,
    refusals::{self, Refusals},
};
use crate::{
    engine::snapshot::{Loss, Snapshot},
    view::{Anchor, AuditStatus, CostStatus, ReaderStatus, Status, View},
};

/// How often the snapshots are looked at, at the most.
pub(super) const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// The same after a look that has found nothing new, with readers that go round: each costs a wake-up.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// How often the clocks and the process's own counters are read, in nanoseconds.
const AUDIT_EVERY: u64 = 1_000_000_000;

/// What to do where the kernel skips programs.
const SKIPPED: &str = "the kernel skips eBPF programs that are running already on the same CPU, and \
                       those events are lost: second_programs = \"always\" makes up for them";

/// Merges, and swaps a new view in when something changed.
#[derive(Debug)]
pub(super) struct Publisher {
    mailboxes: Vec<Arc<Mailbox>>,
    shown: Vec<Arc<Snapshot>>,
    rings: Vec<usize>,
    auditor: Auditor,
    /// Threads beside the readers.
    helpers: Vec<Helper>,
    recording: Option<Progress>,
    anchor: Anchor,
    /// When the programs were attached: nanoseconds of `CLOCK_MONOTONIC`.
    attached: u64,
    /// What is off for as long as the daemon runs.
    notes: Vec<String>,
    /// Which requests nothing is told of as long as the daemon runs.
    limits: Vec<String>,
    losses: Losses,
    /// When the clocks were last read.
    audited: Option<u64>,
    /// Whether each reader goes round.
    watches: Vec<Watch>,
    /// A reader that does not go round, by no fault of its own.
    late: Option<Late>,
    /// What is missing because a helper has died.
    bereft: Option<String>,
    /// Why the daemon is about to end.
    fatal: Option<String>,
    /// The number of a reader that had not begun when it was looked last.
    new: Option<usize>,
    refusals: Refusals,
    view: watch::Sender<Arc<View>>,
}

/// Losses before the last audit.
#[derive(Debug, Default)]
struct Losses {
    /// How many audits were whole by then.
    whole: u64,
    lost: u64,
}

impl Losses {
    /// Whether anything may have been lost since the last audit, of so many. `before` is what had been lost when
    /// it was last asked: what came later may have come after the audit.
    const fn since(&mut self, whole: u64, before: u64, now: u64) -> bool {
        if self.whole != whole {
            *self = Self { whole, lost: before };
        }
        self.lost != now
    }
}

impl Publisher {
    /// `rings` says how many rings each reader drains; `helpers` are all threads beside the readers.
    pub(super) fn new(
        mailboxes: Vec<Arc<Mailbox>>,
        rings: Vec<usize>,
        (auditor, helpers): (Auditor, Vec<Helper>),
        mut status: Status,
        recording: Option<Progress>,
    ) -> (Self, watch::Receiver<Arc<View>>) {
        let anchor = clock::anchor();
        let (notes, limits) = (status.notes.clone(), status.limits.clone());
        status.notes.extend(recording.as_ref().map(Progress::sentence));
        status.notes.extend_from_slice(&limits);
        let attached = anchor.monotonic_time(status.attached);
        let (view, receiver) = watch::channel(Arc::new(View {
            snapshot: nothing_yet(anchor.monotonic, attached),
            status: Arc::new(status),
            ledger: auditor.findings().audited,
            anchor,
        }));
        let mut publisher = Self {
            watches: vec![Watch::default(); mailboxes.len()],
            mailboxes,
            shown: Vec::new(),
            rings,
            auditor,
            helpers,
            recording,
            anchor,
            attached,
            notes,
            limits,
            losses: Losses::default(),
            audited: None,
            late: None,
            bereft: None,
            fatal: None,
            new: None,
            refusals: Refusals::default(),
            view,
        };
        publisher.say_whether_ready();
        (publisher, receiver)
    }

    /// Shows what the readers know now, and says after which time it is to be looked again; the error says
    /// which reader has stalled.
    pub(super) fn look(&mut self) -> Result<Duration, Stalled> {
        self.feel_pulses()?;
        let now = clock::monotonic();
        let blocked = self.visit_helpers(now);
        let audit = self.audited.is_none_or(|audited| now.saturating_sub(audited) >= AUDIT_EVERY);
        if audit {
            self.audited = Some(now);
            self.anchor = clock::anchor();
        }
        let snapshots: Vec<_> = self.mailboxes.iter().map(|mailbox| mailbox.snapshot()).collect();
        let changed = snapshots.len() != self.shown.len()
            || snapshots.iter().zip(&self.shown).any(|(new, old)| !Arc::ptr_eq(new, old));
        let refused = snapshots.iter().map(|snapshot| refused(snapshot)).sum();
        if let Some(message) = self.refusals.log(refused, now) {
            warn!("{message}");
        }
        if changed || audit {
            self.show(&snapshots, audit, blocked);
            self.shown = snapshots;
        }
        let quiet = !changed && !self.watches.iter().any(Watch::is_still);
        Ok(if quiet { LOOK_EVERY } else { PUBLISH_EVERY })
    }

    /// Looks whether the readers go round. While one of them would and is given no CPU, or is held up
    /// in the kernel, `/readyz` fails, and nothing else does: it goes on as soon as the machine lets it.
    fn feel_pulses(&mut self) -> Result<(), Stalled> {
        let mut late = None;
        for (number, (mailbox, watch)) in self.mailboxes.iter().zip(&mut self.watches).enumerate() {
            match watch.look(mailbox.rounds(), || Thread::read(mailbox.thread())) {
                Pulse::Beats => {}
                Pulse::Starved => late = Some(Late::Starved { number }),
                Pulse::HeldUp => {
                    let place = pulse::place(mailbox.thread());
                    late = Some(Late::HeldUp { number, place });
                }
                Pulse::Stalled(thread) => return Err(Stalled::new(number, thread)),
            }
        }
        // Where it is held up may change from look to look.
        let reader = |late: &Option<Late>| late.as_ref().map(Late::reader);
        if reader(&late) != reader(&self.late) {
            match (&late, &self.late) {
                (Some(late), _) => warn!("{late}"),
                (None, Some(old)) => info!("reader {} goes round again", old.reader()),
                (None, None) => {}
            }
            self.late = late;
            self.say_whether_ready();
        }
        Ok(())
    }

    /// Looks how the helpers are doing: what there is to note of them. One that has panicked makes
    /// `/readyz` fail; what the readers do goes on without it.
    fn visit_helpers(&mut self, now: u64) -> Vec<String> {
        let mut notes = Vec::new();
        for helper in &self.helpers {
            match helper.tell(now) {
                Told::Note(note) => notes.push(note),
                Told::Reason(reason) if self.bereft.is_none() => {
                    error!("{reason}");
                    self.bereft = Some(reason);
                }
                Told::Nothing | Told::Reason(_) => {}
            }
        }
        self.say_whether_ready();
        notes
    }

    /// Whether events were lost that a second program would have told.
    fn needs_second_programs(&self, snapshot: &Snapshot) -> bool {
        let lost = snapshot.losses.get(Loss::Recursion as usize).is_some_and(|lost| *lost > 0);
        lost && !self.view.borrow().status.programs.iter().any(|program| program.second)
    }

    fn show(&mut self, snapshots: &[Arc<Snapshot>], audit: bool, blocked: Vec<String>) {
        // A reader that has begun has something to show only a moment later.
        let known = |snapshot: &Arc<Snapshot>| match snapshot.taken {
            0 => nothing_yet(self.anchor.monotonic, self.attached),
            _ => Arc::clone(snapshot),
        };
        let snapshots: Vec<_> = snapshots.iter().map(known).collect();
        let snapshot = match &snapshots[..] {
            [] => Arc::default(),
            [only] => Arc::clone(only),
            [first, others @ ..] => {
                let mut all = Snapshot::clone(first);
                for snapshot in others {
                    all.merge(snapshot);
                }
                Arc::new(all)
            }
        };
        let readers = self
            .mailboxes
            .iter()
            .zip(&self.rings)
            .map(|(mailbox, rings)| ReaderStatus {
                rings: *rings,
                lag: mailbox.lag(),
                fill: mailbox.fill(),
            })
            .collect();
        let start = self.view.borrow().status.process.start;
        let process = audit.then(|| process::status(start));
        let mut limits = self.limits.clone();
        limits.extend(self.view.borrow().status.cost.notes());
        limits.extend(self.mailboxes.iter().find_map(|mailbox| mailbox.note()));
        let recording = self.recording.as_ref().map(Progress::sentence);
        let skipped = self.needs_second_programs(&snapshot).then(|| SKIPPED.to_owned());
        let lost = refusals::note(refused(&snapshot));
        let notes = self.notes.iter().cloned().chain(blocked).chain(recording).chain(skipped);
        let notes = notes.chain(lost).chain(limits.iter().cloned()).collect();
        let findings = self.auditor.findings();
        let since = if findings.since == 0 { self.anchor.monotonic } else { findings.since };
        let age = Duration::from_nanos(self.anchor.monotonic.saturating_sub(since));
        let before = self.view.borrow().snapshot.counted_losses();
        let audits = AuditStatus {
            lost_since: self.losses.since(findings.whole, before, snapshot.counted_losses()),
            whole: findings.whole,
            unbroken: findings.unbroken,
            given_up: findings.given_up,
            age: (!findings.paused).then_some(age),
        };
        self.update(|status| {
            status.readers = readers;
            status.notes = notes;
            status.limits = limits;
            status.audits = audits;
            if let Some(process) = process {
                status.process = process;
            }
        });
        self.view.send_modify(|view| {
            let status = Arc::clone(&view.status);
            let ledger = Arc::clone(&findings.audited);
            *view = Arc::new(View { snapshot, status, ledger, anchor: self.anchor });
        });
    }

    /// Shows what following the requests costs.
    pub(super) fn show_cost(&self, cost: CostStatus) {
        self.update(|status| status.cost = cost);
    }

    /// From now on `/readyz` fails, for this reason.
    pub(super) fn not_ready(&mut self, reason: String) {
        self.fatal = Some(reason);
        self.say_whether_ready();
    }

    /// Waits until a reader begins that had not when it was looked last; for ever if there is none.
    pub(super) async fn reader_begins(&self) {
        match self.new.and_then(|number| self.mailboxes.get(number)) {
            Some(mailbox) => mailbox.begins().await,
            None => future::pending().await,
        }
    }

    fn say_whether_ready(&mut self) {
        self.new = self.mailboxes.iter().position(|mailbox| mailbox.rounds() == 0);
        let new = self.new.map(|number| format!("reader {number} has not begun yet"));
        let late = self.late.as_ref().map(Late::to_string);
        let reason = self.fatal.clone().or_else(|| self.bereft.clone()).or(late).or(new);
        if self.view.borrow().status.not_ready != reason {
            self.update(|status| status.not_ready = reason);
        }
    }

    fn update(&self, change: impl FnOnce(&mut Status)) {
        self.view.send_modify(|view| {
            let mut status = (*view.status).clone();
            change(&mut status);
            *view = Arc::new(View { status: Arc::new(status), ..(**view).clone() });
        });
    }
}

/// What is known at this time before any reader has shown something.
fn nothing_yet(now: u64, attached: u64) -> Arc<Snapshot> {
    Arc::new(Snapshot { taken: now, complete_until: attached, ..Snapshot::default() })
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

/// A reader that does not go round, by no fault of its own.
#[derive(Clone, Debug, thiserror::Error)]
enum Late {
    /// It would go round if it were given a CPU.
    #[error(
        "reader {number} waits for a CPU: the machine has more to do than it can, and what does not \
         fit into the rings meanwhile is lost and counted; let it have a nice value of -20, or give \
         it CPUs of its own"
    )]
    Starved { number: usize },
    /// It waits within the kernel.
    #[error(
        "reader {number} is held up in the kernel ({place}), and what does not fit into the rings \
         meanwhile is lost and counted; the daemon ends if that lasts for a minute"
    )]
    HeldUp { number: usize, place: String },
}

impl Late {
    const fn reader(&self) -> usize {
        match self {
            Self::Starved { number } | Self::HeldUp { number, .. } => *number,
        }
    }
}

/// Records that found a ring full.
fn refused(snapshot: &Snapshot) -> u64 {
    snapshot.losses.get(Loss::RingFull as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test says what it expects")]

    use std::{
        pin::pin,
        sync::mpsc,
        task::{Context, Waker},
        thread,
        time::Instant,
    };

    use tokio::runtime::Builder;

    use super::{
        super::sysfs::Places, Arc, Auditor, Helper, Loss, Losses, Mailbox, Publisher, SKIPPED,
        Snapshot, View, clock, watch,
    };
    use crate::{config::Config, export::sample};

    /// Shows a daemon without readers and with this helper, until it is so.
    fn show(helper: Helper, skip: u64, hoped: impl Fn(&View) -> bool) {
        let (auditor, _) =
            Auditor::start(Arc::new(Config::default()), 0, Places::default()).unwrap();
        let status = (*sample::fresh().status).clone();
        let (mut publisher, view) =
            Publisher::new(vec![], vec![], (auditor, vec![helper]), status, None);
        let begin = Instant::now();
        let now = |view: &watch::Receiver<Arc<View>>| Arc::clone(&view.borrow());
        while !hoped(&now(&view)) {
            assert!(begin.elapsed().as_secs() < 20, "{:?}", now(&view).status);
            let notes = publisher.visit_helpers(clock::monotonic() + skip);
            publisher.show(&[], true, notes);
            thread::yield_now();
        }
    }

    #[test]
    fn a_loss_is_known_to_be_older_only_once_it_was_shown_before_an_audit() {
        let mut losses = Losses::default();
        let since = [(0, 0, 0), (0, 0, 3), (1, 3, 3), (2, 3, 5), (2, 5, 5), (3, 5, 5)]
            .map(|(whole, before, now)| losses.since(whole, before, now));
        assert_eq!(since, [false, true, false, true, true, false]);
    }

    #[test]
    fn skips_that_nobody_makes_up_for_are_a_note_with_the_remedy() {
        for (skipped, second) in [(0, false), (1, true), (1, false)] {
            let (auditor, _) =
                Auditor::start(Arc::new(Config::default()), 0, Places::default()).unwrap();
            let mut status = (*sample::fresh().status).clone();
            for program in &mut status.programs {
                program.second = second;
            }
            let mut snapshot = Snapshot { taken: 1, ..Snapshot::default() };
            snapshot.losses[Loss::Recursion as usize] = skipped;
            let (mut publisher, view) =
                Publisher::new(vec![], vec![], (auditor, vec![]), status, None);
            publisher.show(&[Arc::new(snapshot)], true, vec![]);
            let told = view.borrow().status.notes.iter().any(|note| note == SKIPPED);
            assert_eq!(told, skipped > 0 && !second, "{skipped} skipped, second programs {second}");
        }
    }

    #[test]
    fn before_a_reader_shows_something_it_is_as_it_was_when_the_programs_were_attached() {
        let (auditor, _) =
            Auditor::start(Arc::new(Config::default()), 1, Places::default()).unwrap();
        let anchor = clock::anchor();
        let attached = anchor.monotonic - 1_000_000_000;
        let mut status = (*sample::fresh().status).clone();
        status.attached = anchor.wall_time(attached);
        let (mut publisher, view) =
            Publisher::new(vec![Arc::default()], vec![1], (auditor, vec![]), status, None);
        for _ in 0..2 {
            let snapshot = Arc::clone(&view.borrow().snapshot);
            // Two looks at two clocks are a moment apart.
            assert!(snapshot.complete_until.abs_diff(attached) < 500_000_000, "{snapshot:?}");
            assert!(snapshot.taken >= anchor.monotonic, "{snapshot:?}");
            publisher.look().unwrap();
        }
    }

    #[test]
    fn it_is_ready_when_each_reader_has_begun() {
        let (auditor, _) =
            Auditor::start(Arc::new(Config::default()), 2, Places::default()).unwrap();
        let mailboxes = vec![Arc::<Mailbox>::default(), Arc::default()];
        let status = (*sample::fresh().status).clone();
        let (mut publisher, view) =
            Publisher::new(mailboxes.clone(), vec![1, 1], (auditor, vec![]), status, None);
        let mut said = vec![view.borrow().status.not_ready.clone()];
        let runtime = Builder::new_current_thread().build().unwrap();
        for mailbox in mailboxes {
            mailbox.begin_round();
            // It is told, whether anybody waits already or not.
            runtime.block_on(publisher.reader_begins());
            publisher.look().unwrap();
            said.push(view.borrow().status.not_ready.clone());
        }
        let new = |number| Some(format!("reader {number} has not begun yet"));
        assert_eq!(said, [new(0), new(1), None]);
        let never = pin!(publisher.reader_begins());
        assert!(never.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn a_helper_that_has_panicked_is_a_reason_not_to_be_ready() {
        let helper = Helper::start("auditor".to_owned(), "no coverage", |_| panic!("by a test"));
        let why = "the thread auditor has panicked: no coverage";
        show(helper.unwrap(), 0, |view| view.status.not_ready.as_deref() == Some(why));
    }

    #[test]
    fn a_helper_that_waits_for_long_is_a_note() {
        let (_never, wait) = mpsc::channel::<()>();
        let run = move |errands: &super::super::helper::Errands| {
            errands.run(|| wait.recv().unwrap_or_default());
        };
        let helper = Helper::start("lookout/0".to_owned(), "no names", run).unwrap();
        show(helper, 60_000_000_000, |view| {
            assert_eq!(view.status.not_ready, None);
            // The sample has a note of its own, which stays.
            let notes = &view.status.notes;
            notes.len() == 2 && notes[1].starts_with("the thread lookout/0 has had no answer for")
        });
    }
}
