//! The auditor: holds the books of all readers against the kernel's own statistics.
//!
//! A thread of its own, because one audit is about all readers, and because `/proc/diskstats` and
//! sysfs can block where a reader must not. Each reader notes from a first word on when it counts
//! what; then the statistics are read; then each reader says what it had counted at that time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{debug, warn};

use super::diskstats;
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

/// How long readers may take to answer. One that takes longer has stalled, which others notice.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long after the attaching the statistics are read again: what ended just before has been
/// counted by then.
const SETTLED: Duration = Duration::from_millis(20);

/// How long readers note what they count before the statistics are read.
const NOTED: Duration = Duration::from_millis(5);

/// What a reader is asked; the number is that of the audit.
#[derive(Clone, Copy, Debug)]
enum Question {
    Begin(u64),
    End { audit: u64, begin: u64, end: u64 },
}

/// What it answers.
#[derive(Debug)]
enum Answer {
    Begun(u64),
    /// `None` where it could not remember all.
    Ended(u64, Option<Vec<(DeviceId, Ours)>>),
}

/// A reader's side.
#[derive(Debug)]
pub(super) struct Auditee {
    questions: Receiver<Question>,
    answers: Sender<Answer>,
    /// What can be answered only when all rings have been drained.
    waiting: Option<Question>,
}

impl Auditee {
    /// Answers what can be answered. `drained` says that every record has been taken that was
    /// written before this was last called.
    pub(super) fn answer(&mut self, engine: &mut Engine, drained: bool) {
        if let Some(Question::End { audit, begin, end }) = self.waiting
            && drained
        {
            self.waiting = None;
            self.say(Answer::Ended(audit, engine.end_audit(begin, end)));
        }
        loop {
            match self.questions.try_recv() {
                Ok(Question::Begin(audit)) => {
                    self.waiting = None;
                    engine.begin_audit();
                    self.say(Answer::Begun(audit));
                }
                Ok(question @ Question::End { .. }) => self.waiting = Some(question),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
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

/// The thread that audits; it ends with this value.
#[derive(Debug)]
pub(super) struct Auditor {
    newest: Arc<Mutex<Audited>>,
    _stop: Sender<()>,
}

impl Auditor {
    /// Starts it, for so many readers. `before` was read before the programs were attached.
    pub(super) fn start(
        config: Arc<Config>,
        readers: usize,
        before: Reading,
    ) -> std::io::Result<(Self, Vec<Auditee>)> {
        let (answer, answers) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let mut questions = Vec::new();
        let mut auditees = Vec::new();
        for _ in 0..readers {
            let (question, asked) = mpsc::channel();
            questions.push(question);
            auditees.push(Auditee { questions: asked, answers: answer.clone(), waiting: None });
        }
        let newest = Arc::<Mutex<Audited>>::default();
        let shown = Arc::clone(&newest);
        thread::Builder::new().name("auditor".to_owned()).spawn(move || {
            let mut work = Work { config, questions, answers, audit: 0, ledger: Ledger::default() };
            work.run(&before, &stopped, &shown);
        })?;
        Ok((Self { newest, _stop: stop }, auditees))
    }

    /// What the last audit found.
    pub(super) fn newest(&self) -> Audited {
        Arc::clone(&self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the thread has.
struct Work {
    config: Arc<Config>,
    questions: Vec<Sender<Question>>,
    answers: Receiver<Answer>,
    audit: u64,
    ledger: Ledger,
}

impl Work {
    fn run(&mut self, before: &Reading, stopped: &Receiver<()>, shown: &Mutex<Audited>) {
        thread::sleep(SETTLED);
        match diskstats::read(&self.config) {
            Ok(after) => self.ledger.attached(before, &after),
            Err(error) => warn!("/proc/diskstats cannot be read: {error}; there is no coverage"),
        }
        while matches!(
            stopped.recv_timeout(self.config.audit_interval),
            Err(RecvTimeoutError::Timeout)
        ) {
            self.audit += 1;
            let Some((reading, ours)) = self.audit() else {
                debug!("audit {} was given up", self.audit);
                continue;
            };
            self.ledger.audit(&reading, &ours);
            *shown.lock().unwrap_or_else(PoisonError::into_inner) =
                Arc::new(self.ledger.audited().clone());
        }
    }

    /// Both sides at one time; `None` where they cannot be had.
    fn audit(&self) -> Option<(Reading, BTreeMap<DeviceId, Ours>)> {
        self.ask(Question::Begin(self.audit));
        self.collect(|answer| match answer {
            Answer::Begun(audit) => (audit == self.audit).then_some(()),
            Answer::Ended(..) => None,
        })?;
        thread::sleep(NOTED);
        let reading = diskstats::read(&self.config).ok()?;
        let (begin, end) = (reading.begin, reading.end);
        self.ask(Question::End { audit: self.audit, begin, end });
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
