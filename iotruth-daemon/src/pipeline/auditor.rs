//! The auditor: holds the books of all readers against the kernel's own statistics.
//!
//! A thread of its own, because one audit is about all readers, and because `/proc/diskstats` and
//! sysfs can block where a reader must not. Each reader notes from a first word on when it counts
//! what; then the statistics are read; then each reader says what it had counted at that time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{debug, warn};

use super::{
    clock,
    diskstats::{self, Disks},
    helper::{Errands, Helper},
    sysfs::Places,
};
use crate::{
    config::Config,
    engine::{
        Engine,
        account::Ours,
        device::DeviceId,
        ledger::{DeviceAudit, Ledger, Reading},
    },
};

/// What the last audit found, by device.
pub(super) type Audited = Arc<BTreeMap<DeviceId, DeviceAudit>>;

/// How long readers may take to answer, and the start may wait for statistics. A reader that takes
/// longer has stalled, which others notice.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long after the attaching the statistics are read again: what ended just before has been
/// counted by then.
const SETTLED: Duration = Duration::from_millis(20);

/// How long readers note what they count before the statistics are read.
const NOTED: Duration = Duration::from_millis(5);

/// How soon the first audits come, and how many of them: so many tell what hangs since before, and whoever
/// starts the daemon in an incident waits for that.
const FIRST: Duration = Duration::from_secs(1);
const SOON: u64 = 2;

/// What a reader is asked; the number is that of the audit.
#[derive(Clone, Copy, Debug)]
enum Question {
    Begin(u64),
    /// `looked` is from when on what the drivers have was read, the others when the statistics were.
    End {
        audit: u64,
        looked: u64,
        begin: u64,
        end: u64,
    },
}

/// What it answers.
#[derive(Debug)]
enum Answer {
    Begun(u64),
    /// `None` where it could not remember all, or does not know all.
    Ended(u64, Option<Vec<(DeviceId, Ours)>>),
}

/// A reader's side.
#[derive(Debug)]
pub(super) struct Auditee {
    questions: Receiver<Question>,
    answers: Sender<Answer>,
    /// What can be answered only when every record from before it was asked has been taken, and when that
    /// was.
    waiting: Option<(Question, u64)>,
}

impl Auditee {
    /// Answers what can be answered.
    pub(super) fn answer(&mut self, engine: &mut Engine) {
        if let Some((Question::End { audit, looked, begin, end }, _)) = self.waiting
            && !self.wants_counters(engine)
        {
            self.waiting = None;
            // A record that is being written for so long hides those that come after it.
            let ours = engine.end_audit(looked, begin, end).filter(|_| engine.has_caught_up());
            self.say(Answer::Ended(audit, ours));
        }
        loop {
            match self.questions.try_recv() {
                Ok(Question::Begin(audit)) => {
                    self.waiting = None;
                    engine.begin_audit();
                    self.say(Answer::Begun(audit));
                }
                Ok(question @ Question::End { .. }) => {
                    self.waiting = Some((question, clock::monotonic()));
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    /// Whether the counters must be read to answer: nothing else tells whether a ring holds something
    /// back.
    pub(super) fn wants_counters(&self, engine: &Engine) -> bool {
        self.waiting.is_some_and(|(_, asked)| engine.counters_read() < asked)
    }

    /// Whether it is to be called again soon.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    fn say(&self, answer: Answer) {
        // Nobody listens any more when the daemon ends.
        let _ = self.answers.send(answer);
    }
}

/// What the thread is told.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// The programs are about to be attached.
    Before,
    /// They were attached, from this time on: nanoseconds of `CLOCK_MONOTONIC`.
    Attached(u64),
    /// A device was seen for the first time.
    Met,
    /// A pause has begun or ended.
    Paused,
    /// It is over.
    Stop,
}

/// What is to be seen of the audits.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// What the last whole one found.
    pub(super) audited: Audited,
    /// When that was, and before the first one when audits began: nanoseconds of
    /// `CLOCK_MONOTONIC`; 0 before.
    pub(super) since: u64,
    /// How many were whole.
    pub(super) whole: u64,
    /// Of these, since the last pause.
    pub(super) unbroken: u64,
    /// How many were given up, because one side could not be had.
    pub(super) given_up: u64,
    /// Whether there are none for the time being, because not every request is seen.
    pub(super) paused: bool,
}

/// Tells the auditor of new devices.
#[derive(Clone, Debug)]
pub(super) struct Herald {
    words: Sender<Word>,
    /// Whether it has been told and has not looked since.
    told: Arc<AtomicBool>,
}

impl Herald {
    /// A device was seen for the first time.
    pub(super) fn met(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            // The auditor may have ended before.
            let _ = self.words.send(Word::Met);
        }
    }
}

/// Stops the audits while not every request is seen.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    words: Sender<Word>,
    /// How often pauses have begun and ended: odd during one. An audit counts for nothing that has seen
    /// this change.
    turns: Arc<AtomicU64>,
}

impl Pause {
    /// There is nothing to compare from now on.
    pub(super) fn begin(&self) {
        self.turn();
    }

    /// All begins anew.
    pub(super) fn end(&self) {
        self.turn();
    }

    fn turn(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
        // The auditor may have ended before.
        let _ = self.words.send(Word::Paused);
    }
}

/// The thread that audits; it ends with this value.
#[derive(Debug)]
pub(super) struct Auditor {
    findings: Arc<Mutex<Findings>>,
    herald: Herald,
    pause: Pause,
    baseline: Receiver<()>,
    helper: Helper,
}

impl Auditor {
    /// Starts it, for so many readers.
    pub(super) fn start(
        config: Arc<Config>,
        readers: usize,
        places: Places,
    ) -> std::io::Result<(Self, Vec<Auditee>)> {
        let (answer, answers) = mpsc::channel();
        let (words, said) = mpsc::channel();
        let turns = Arc::<AtomicU64>::default();
        let pause = Pause { words: words.clone(), turns: Arc::clone(&turns) };
        let herald = Herald { words, told: Arc::default() };
        let told = Arc::clone(&herald.told);
        let (ready, baseline) = mpsc::channel();
        let mut questions = Vec::new();
        let mut auditees = Vec::new();
        for _ in 0..readers {
            let (question, asked) = mpsc::channel();
            questions.push(question);
            auditees.push(Auditee { questions: asked, answers: answer.clone(), waiting: None });
        }
        let findings = Arc::<Mutex<Findings>>::default();
        let shown = Arc::clone(&findings);
        let without = "the coverage of every disk stays as it was, see iotruth_audit_age_seconds";
        let helper = Helper::start("auditor".to_owned(), without, move |errands| {
            let ledger = Ledger::default();
            let mut work = Work {
                config,
                places,
                questions,
                answers,
                told,
                turns,
                heard: 0,
                audit: 0,
                ledger,
                errands,
            };
            work.run(&said, &ready, &shown);
        })?;
        Ok((Self { findings, herald, pause, baseline, helper }, auditees))
    }

    /// Has the statistics read from which on everything may be seen; whether they were read in time.
    /// Without them the coverage of each disk begins with its first audit.
    pub(super) fn read_baseline(&self) -> bool {
        self.say(Word::Before);
        self.baseline.recv_timeout(PATIENCE).is_ok()
    }

    /// The programs were attached, the first of them after this time, in nanoseconds of
    /// `CLOCK_MONOTONIC`: the audits begin.
    pub(super) fn attached(&self, from: u64) {
        self.say(Word::Attached(from));
    }

    /// What tells it of new devices.
    pub(super) fn herald(&self) -> Herald {
        self.herald.clone()
    }

    /// What stops the audits for a time.
    pub(super) fn pause(&self) -> Pause {
        self.pause.clone()
    }

    /// What there is to be seen.
    pub(super) fn findings(&self) -> Findings {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How its thread is doing.
    pub(super) const fn helper(&self) -> &Helper {
        &self.helper
    }

    fn say(&self, word: Word) {
        // It ends before this value does only by a panic, which its helper tells.
        let _ = self.herald.words.send(word);
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.say(Word::Stop);
    }
}

/// What the thread has.
struct Work<'a> {
    config: Arc<Config>,
    places: Places,
    questions: Vec<Sender<Question>>,
    answers: Receiver<Answer>,
    told: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    /// As many of them as the ledger has taken note of.
    heard: u64,
    audit: u64,
    ledger: Ledger,
    errands: &'a Errands,
}

impl Work<'_> {
    fn run(&mut self, said: &Receiver<Word>, ready: &Sender<()>, shown: &Mutex<Findings>) {
        let show = |change: &dyn Fn(&mut Findings)| {
            change(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
        };
        let mut before = None;
        let mut due = None;
        loop {
            let left = due.map(|due: Instant| due.saturating_duration_since(Instant::now()));
            let word = match left {
                // However much there is to say.
                Some(Duration::ZERO) => Err(RecvTimeoutError::Timeout),
                Some(left) => said.recv_timeout(left),
                None => said.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match word {
                Ok(Word::Before) => {
                    before = self.read();
                    // Nobody may wait for it any more.
                    let _ = ready.send(());
                }
                Ok(Word::Attached(from)) => {
                    self.begin(before.take().filter(|before| before.end < from).as_ref());
                    show(&|findings| findings.since = clock::monotonic());
                    due = Some(Instant::now() + self.interval());
                }
                // When there are audits again, the first one meets all devices.
                Ok(Word::Met) if self.is_paused() => self.told.store(false, Ordering::Relaxed),
                Ok(Word::Met) => self.meet(),
                Ok(Word::Paused) => {
                    self.heard = self.turns.load(Ordering::SeqCst);
                    let paused = self.heard % 2 == 1;
                    self.ledger.pause();
                    due = (!paused).then(|| Instant::now() + self.config.audit_interval);
                    show(&|findings| {
                        findings.audited = Audited::default();
                        findings.since = clock::monotonic();
                        findings.unbroken = 0;
                        findings.paused = paused;
                    });
                }
                Ok(Word::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.audit += 1;
                    due = Some(Instant::now() + self.interval());
                    let found = self.errands.run(|| self.audit());
                    // One that a pause came into, or that came into a pause, is of no use; nor is the ledger
                    // before it has heard of one.
                    let found = found.filter(|_| {
                        self.turns.load(Ordering::SeqCst) == self.heard && !self.is_paused()
                    });
                    if let Some((reading, ours)) = found {
                        self.ledger.audit(&reading, &ours);
                        let audited = Arc::new(self.ledger.audited().clone());
                        show(&|findings| {
                            findings.audited = Arc::clone(&audited);
                            findings.since = reading.end;
                            findings.whole += 1;
                            findings.unbroken += 1;
                        });
                    } else {
                        debug!("audit {} was given up", self.audit);
                        show(&|findings| findings.given_up += 1);
                    }
                }
            }
        }
    }

    /// How long until the next audit.
    fn interval(&self) -> Duration {
        let interval = self.config.audit_interval;
        if self.audit < SOON { interval.min(FIRST) } else { interval }
    }

    /// Whether not every request is seen, or may not be.
    fn is_paused(&self) -> bool {
        self.turns.load(Ordering::SeqCst) % 2 == 1
    }

    /// Settles from which statistics on everything was seen.
    fn begin(&mut self, before: Option<&Reading>) {
        thread::sleep(SETTLED);
        if let (Some(before), Some(after)) = (before, self.read()) {
            self.ledger.attached(before, &after);
        }
    }

    /// Takes the statistics of devices that have come.
    fn meet(&mut self) {
        self.told.store(false, Ordering::Relaxed);
        if let Some(reading) = self.read() {
            self.ledger.meet(&reading);
        }
    }

    fn read(&self) -> Option<Reading> {
        match self.errands.run(|| diskstats::read(&self.places, &self.config)) {
            Ok(reading) => Some(reading),
            Err(error) => {
                warn!("{} cannot be read: {error}", self.places.statistics.display());
                None
            }
        }
    }

    /// Both sides at one time; `None` where they cannot be had.
    fn audit(&self) -> Option<(Reading, BTreeMap<DeviceId, Ours>)> {
        // What the readers can remember is limited, so all that takes long comes before or after.
        let looked = clock::monotonic();
        let disks = Disks::look(&self.places, &self.config);
        self.ask(Question::Begin(self.audit));
        self.collect(|answer| match answer {
            Answer::Begun(audit) => (audit == self.audit).then_some(()),
            Answer::Ended(..) => None,
        })?;
        thread::sleep(NOTED);
        let statistics = disks.read().ok()?;
        let (begin, end) = (statistics.begin, statistics.end);
        self.ask(Question::End { audit: self.audit, looked, begin, end });
        let reading = disks.assign(&statistics);
        let all = self.collect(|answer| match answer {
            Answer::Ended(audit, ours) => (audit == self.audit).then_some(ours),
            Answer::Begun(_) => None,
        })?;
        let mut sum = BTreeMap::<DeviceId, Ours>::new();
        for reader in all {
            for (id, ours) in reader? {
                sum.entry(id).or_default().merge(&ours);
            }
        }
        Some((reading, sum))
    }

    fn ask(&self, question: Question) {
        for reader in &self.questions {
            // A reader that has ended takes the daemon with it.
            let _ = reader.send(question);
        }
    }

    /// One answer of each reader; those that come too late from an earlier audit are passed over.
    fn collect<T>(&self, take: impl Fn(Answer) -> Option<T>) -> Option<Vec<T>> {
        let deadline = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        while all.len() < self.questions.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            all.extend(take(self.answers.recv_timeout(left).ok()?));
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests;
