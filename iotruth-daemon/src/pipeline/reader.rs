//! One reader: an OS thread that drains its rings into its own engine.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::{event::epoll, io::Errno};
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{debug, error, warn};

use super::{
    auditor::Auditee,
    clock,
    lookout::Lookout,
    memory::{Looked, Memory},
    priority,
    recorder::Recorded,
    samples::{Resampled, Samples},
    tick::Tick,
    unseen::Unseen,
};
use crate::{
    config::Fault,
    engine::{Audit, Input, StreamCount, Suspect, snapshot::Snapshot},
    kernel::LONGEST_RUN,
};

/// Records that are taken from one ring before the next one has its turn.
const TURN: usize = 1_024;

/// How long records are taken before the reader does something else, in nanoseconds. Devices wait
/// for their names meanwhile, and whoever looks whether it still goes round.
const LONGEST_DRAIN: u64 = 50_000_000;

/// How often the counters of lost events are read while there is traffic, in nanoseconds.
const AUDIT_EVERY: u64 = 100_000_000;

/// How often they are read while there is none, in nanoseconds.
const IDLE_AUDIT_EVERY: u64 = 1_000_000_000;

/// How often it is looked whether devices are still there, or idle, in nanoseconds. A number that is
/// used again is noticed at once, by the disk's sequence number in its first record.
const LOOK_EVERY: u64 = 1_000_000_000;

/// How often what is known is published while it changes, in nanoseconds.
const PUBLISH_EVERY: u64 = 200_000_000;

/// An ordered stream of records: all that the reader knows of a transport.
pub(super) trait Source: Send {
    /// Its number.
    fn ring(&self) -> usize;

    /// Becomes readable when the ring is above its fill mark; `None` where nobody wakes the reader.
    fn wake(&self) -> Option<BorrowedFd<'_>>;

    /// Gives up to `limit` records to `take`, in place and in order, and says how many there were.
    fn drain(&mut self, limit: usize, take: impl FnMut(&[u8])) -> usize;

    /// After fewer than `limit` were given: nothing is missing that was written before both that call
    /// and this time, in nanoseconds of `CLOCK_MONOTONIC`.
    fn reached(&self) -> u64;

    /// How full it was found since this was asked before, as a part of it.
    fn take_fill(&mut self) -> f64;

    /// No more records are written.
    fn end(&mut self);

    /// Whether two programs have written at the same time what only one at a time may write.
    fn had_two_writers(&self) -> bool;
}

/// Rings or programs are not those that this machine needs: all has to begin anew, with others.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum BeginAnew {
    /// Rings of each CPU and program are not right on this kernel.
    #[error("two programs have written into the ring of one CPU and program at the same time")]
    TwoWriters,
    /// CPUs have come that have no rings: this is the last one, and so many of their records were lost when
    /// that was noticed.
    #[error(
        "CPU {cpu} was not online at first and has no rings, {records} records at least were lost"
    )]
    NewCpu { cpu: u32, records: u64 },
    /// A disk has come that passes requests on to others, where a program often is running already.
    #[error(
        "a multipath disk was not there at first, and no tracepoint has the second program that it needs"
    )]
    Multipath,
}

/// The counters beside the rings.
pub(super) trait Counters: Send {
    /// Reads them all. `read` is filled in by the reader. Adds the streams that have counted since
    /// the last time.
    fn read(&mut self, streams: &mut Vec<StreamCount>) -> anyhow::Result<Audit>;
}

/// What a reader shows to the rest of the daemon.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    snapshot: Mutex<Arc<Snapshot>>,
    /// How often the reader went round.
    rounds: AtomicU64,
    /// Told when it begins.
    begun: Notify,
    /// Number of its thread; 0 until it runs.
    thread: AtomicU32,
    /// From the oldest record that a snapshot was the first to have, to that snapshot.
    lag: AtomicU64,
    /// How full its fullest ring was found since the snapshot before, in bits of a `f64`.
    fill: AtomicU64,
    /// What it cannot do at the moment.
    note: Mutex<Option<String>>,
}

impl Mailbox {
    /// The newest snapshot.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a round; the first one is told to whoever waits for it.
    pub(super) fn begin_round(&self) {
        if self.rounds.fetch_add(1, Ordering::Relaxed) == 0 {
            self.begun.notify_one();
        }
    }

    /// Waits until the reader begins, which is told once.
    pub(super) async fn begins(&self) {
        self.begun.notified().await;
    }

    /// How often the reader went round: it moves for as long as the reader is alive.
    pub(super) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Number of the reader's thread, a `tid`; 0 until it has run.
    pub(super) fn thread(&self) -> u32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// How old the oldest record was when the newest snapshot first showed it.
    pub(super) fn lag(&self) -> Duration {
        Duration::from_nanos(self.lag.load(Ordering::Relaxed))
    }

    /// How full its fullest ring was found since the snapshot before, as a part of it.
    pub(super) fn fill(&self) -> f64 {
        f64::from_bits(self.fill.load(Ordering::Relaxed))
    }

    /// What it cannot do at the moment, in a sentence.
    pub(super) fn note(&self) -> Option<String> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_note(&self, note: Option<String>) {
        let mut kept = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if *kept != note {
            if let Some(note) = &note {
                warn!("{note}");
            }
            *kept = note;
        }
    }

    fn publish(&self, snapshot: Snapshot, lag: u64, fill: f64) {
        self.fill.store(fill.to_bits(), Ordering::Relaxed);
        self.lag.store(lag, Ordering::Relaxed);
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}

/// Everything that one reader owns.
pub(super) struct Reader<S, C, M> {
    /// The rings that it drains.
    pub(super) sources: Vec<S>,
    /// How often it looks at them.
    pub(super) tick: Tick,
    /// The counters beside them.
    pub(super) counters: C,
    /// What requests are read again from.
    pub(super) memory: M,
    /// Where the records go, and the recording of them.
    pub(super) recorded: Recorded,
    /// Names and presence of devices.
    pub(super) lookout: Lookout,
    /// Says when another sample of requests is to be followed.
    pub(super) samples: Samples,
    /// Who asks what was counted.
    pub(super) auditee: Auditee,
    /// Where snapshots go.
    pub(super) mailbox: Arc<Mailbox>,
    /// Set when it shall drain what is left, publish and end.
    pub(super) stop: Arc<AtomicBool>,
    /// What shall go wrong, for tests.
    pub(super) fault: Option<Fault>,
}

impl<S: Source + 'static, C: Counters + 'static, M: Memory + 'static> Reader<S, C, M> {
    /// As [`Self::spawn`], but one completion is hidden.
    pub(super) fn spawn_without(
        self,
        unseen: &Unseen,
        number: usize,
    ) -> std::io::Result<thread::JoinHandle<anyhow::Result<()>>> {
        let reader = Reader {
            sources: self.sources.into_iter().map(|source| unseen.source(source)).collect(),
            tick: self.tick,
            counters: unseen.counters(self.counters),
            memory: self.memory,
            recorded: self.recorded,
            lookout: self.lookout,
            samples: self.samples,
            auditee: self.auditee,
            mailbox: self.mailbox,
            stop: self.stop,
            fault: self.fault,
        };
        reader.spawn(number)
    }

    /// Starts the thread. It ends when it is told to stop, or with an error.
    pub(super) fn spawn(
        self,
        number: usize,
    ) -> std::io::Result<thread::JoinHandle<anyhow::Result<()>>> {
        thread::Builder::new().name(format!("reader/{number}")).spawn(move || {
            priority::raise(&format!("reader {number}"));
            let outcome = self.run();
            if let Err(error) = &outcome
                // That is no end of it all.
                && !error.is::<BeginAnew>()
            {
                error!("reader {number}: {error:#}");
            }
            outcome
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        self.mailbox.thread.store(thread, Ordering::Relaxed);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for source in &self.sources {
            // Edge-triggered: a ring with records in it is always readable, and only the wake-ups
            // of the programs are meant.
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            if let Some(wake) = source.wake() {
                epoll::add(&epoll, wake, epoll::EventData::new_u64(0), flags)?;
            }
        }
        let mut events = Vec::with_capacity(self.sources.len().max(1));
        // What there is at first is taken and shown at once: perhaps no record, but which rings are drained. And
        // what is open is counted once there has been something to count.
        let mut rounds = Rounds {
            looked: clock::monotonic(),
            unpublished: true,
            longest_record: LONGEST_RUN,
            ..Rounds::default()
        };
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            if stopping {
                self.sources.iter_mut().for_each(Source::end);
                rounds.longest_record = 0;
            }
            if !stopping && rounds.drained {
                let asked = self.auditee.is_waiting();
                let time = if asked { Tick::SHORTEST } else { self.tick.duration() };
                wait(epoll.as_fd(), &mut events, time)?;
            }
            let now = clock::monotonic();
            self.mailbox.begin_round();
            if rounds.records > 0 {
                break_as_told(self.fault)?;
            }
            if self.sources.iter().any(Source::had_two_writers) {
                return Err(BeginAnew::TwoWriters.into());
            }
            let before = rounds.records;
            self.drain(&mut rounds);
            self.settle(&mut rounds);
            let fill = self.sources.iter_mut().map(Source::take_fill).fold(0.0, f64::max);
            rounds.fill = rounds.fill.max(fill);
            self.tick.found((rounds.records - before) as usize, fill, rounds.behind);
            self.resample(&mut rounds);
            self.auditee.answer(&mut self.recorded.engine);
            self.lookout.tell(|input| rounds.unpublished |= self.recorded.tell(input));
            let look = now.saturating_sub(rounds.looked) >= LOOK_EVERY;
            if look {
                rounds.looked = now;
            }
            self.lookout.ask(&mut self.recorded.engine, look);
            // After a look that left nothing in the rings but what was just written, or else lives seem
            // to be open whose ends lie in there.
            if look && rounds.drained && !stopping {
                self.take_census(&mut rounds);
            }
            let age = now.saturating_sub(rounds.audited);
            let due =
                (rounds.unaudited || self.recorded.engine.awaits_audit()) && age >= AUDIT_EVERY;
            let overdue = age >= IDLE_AUDIT_EVERY;
            let asked = self.auditee.wants_counters(&self.recorded.engine);
            if ((due || overdue || asked) && rounds.audit.is_none()) || stopping {
                self.audit(&mut rounds, now)?;
            }
            let due = now.saturating_sub(rounds.published) >= PUBLISH_EVERY;
            if (rounds.unpublished && due) || stopping {
                self.publish(&mut rounds);
            }
            if stopping && rounds.drained {
                debug!("reader stopped after {} records", rounds.records);
                return Ok(());
            }
        }
    }

    /// Takes the records that are in the rings now. Where more keep coming than can be taken, it
    /// leaves them after [`LONGEST_DRAIN`], so that all else goes on under any load.
    fn drain(&mut self, rounds: &mut Rounds) {
        (rounds.drained, rounds.behind) = (false, 0);
        let mut all = 0;
        let begin = clock::monotonic();
        let until = begin + LONGEST_DRAIN;
        loop {
            let mut most = 0;
            for source in &mut self.sources {
                let taken = self.recorded.drain(source, TURN);
                all += taken;
                most = most.max(taken);
            }
            if most < TURN {
                rounds.drained = true;
                let reached = self.sources.iter().map(Source::reached).min().unwrap_or(u64::MAX);
                rounds.reached = reached.min(begin);
                rounds.behind = clock::monotonic().saturating_sub(reached);
                break;
            }
            if clock::monotonic() >= until {
                break;
            }
        }
        rounds.records += all as u64;
        rounds.unaudited |= all > 0;
        rounds.unpublished |= all > 0;
    }

    /// Reads the counters, and settles the books if no backlog stands against it.
    fn audit(&mut self, rounds: &mut Rounds, now: u64) -> anyhow::Result<()> {
        let read = clock::monotonic();
        rounds.audit = Some(Audit { read, ..self.counters.read(&mut rounds.streams)? });
        rounds.unaudited = false;
        rounds.audited = now;
        self.drain(rounds);
        self.settle(rounds);
        Ok(())
    }

    /// Settles the books with the counters that were read, once every record was taken that they
    /// count.
    ///
    /// A program may have counted one that it has not written yet, and may be preempted in between. If
    /// one does not come for long, it is lost, and verdicts that rest on it are given up.
    fn settle(&mut self, rounds: &mut Rounds) {
        let engine = &self.recorded.engine;
        let taken = |audit: &mut Audit| {
            let waited = rounds.reached >= audit.read + rounds.longest_record;
            waited || engine.has_taken(audit)
        };
        if let Some(audit) = rounds.audit.take_if(taken) {
            self.recorded.tell(&Input::StreamsCounted(&rounds.streams));
            rounds.streams.clear();
            rounds.unpublished |= self.recorded.tell(&Input::Audit(&audit));
        }
    }

    /// Tells the engine of another sample.
    fn resample(&mut self, rounds: &mut Rounds) {
        let recorded = &mut self.recorded;
        self.samples.follow(|Resampled { sample, since }| {
            rounds.unpublished |= recorded.tell(&Input::Sampled { sample, since });
        });
    }

    /// Looks up in memory what has been open for long, and counts what is in flight.
    ///
    /// What cannot be read is not known: it is left as it is, and that is told. Everything else goes
    /// on without it.
    fn take_census(&mut self, rounds: &mut Rounds) {
        let from = clock::monotonic();
        let suspects = self.recorded.engine.suspects(from);
        let addresses: Vec<u64> = suspects.iter().map(Suspect::address).collect();
        let recorded = &mut self.recorded;
        let mut refused = None;
        let read = self.memory.read(&addresses, |place, looked| {
            let Some(suspect) = suspects.get(place) else { return };
            let memory = match looked {
                Looked::Bytes(bytes) => Some(bytes),
                Looked::Unmapped => None,
                Looked::Refused(errno) => {
                    refused = Some(errno);
                    return;
                }
            };
            let (suspect, at) = (*suspect, clock::monotonic());
            recorded.tell(&Input::LookedUp { suspect, memory, at });
        });
        let trouble = match (read, refused) {
            (Err(error), _) => Some(format!("{error:#}")),
            (Ok(()), Some(errno)) => Some(std::io::Error::from_raw_os_error(errno).to_string()),
            (Ok(()), None) => None,
        };
        // Where there was nothing to read, nothing is known of whether it can be.
        if !addresses.is_empty() {
            self.mailbox.set_note(trouble.map(|trouble| {
                format!(
                    "Requests that have been open for long cannot be read again ({trouble}): they \
                     are neither confirmed as in flight, nor told as stuck, nor found to be over."
                )
            }));
        }
        self.recorded.tell(&Input::OpenCounted { from, now: clock::monotonic() });
        rounds.unpublished = true;
    }

    fn publish(&mut self, rounds: &mut Rounds) {
        let now = clock::monotonic();
        self.recorded.flush();
        let lag = self.recorded.engine.take_oldest().map_or(0, |oldest| now.saturating_sub(oldest));
        let fill = std::mem::take(&mut rounds.fill);
        self.mailbox.publish(self.recorded.engine.snapshot(now), lag, fill);
        rounds.published = now;
        rounds.unpublished = false;
    }
}

/// Does what `--fault` asks for, to prove that a dead or stalled reader is noticed.
fn break_as_told(fault: Option<Fault>) -> Result<(), BeginAnew> {
    match fault {
        None | Some(Fault::UnseenCompletion) => Ok(()),
        Some(Fault::TwoWriters) => Err(BeginAnew::TwoWriters),
        Some(Fault::ReaderPanic) => panic!("the reader was told to panic"),
        Some(Fault::ReaderStall) => loop {
            thread::park();
        },
    }
}

/// When a reader last did what it does now and then.
#[derive(Debug, Default)]
struct Rounds {
    records: u64,
    audited: u64,
    looked: u64,
    published: u64,
    /// Counters that wait until all records from before have been taken.
    audit: Option<Audit>,
    /// What the streams of these rings had counted then.
    streams: Vec<StreamCount>,
    /// Whether the last look left nothing in the rings that can be taken.
    drained: bool,
    /// Nothing is left in them that was written before this time.
    reached: u64,
    /// How far before the end of that look the records end that it could take, in nanoseconds; 0 where
    /// it left some that it could have taken.
    behind: u64,
    /// How full the fullest ring was found since the last snapshot.
    fill: f64,
    /// [`LONGEST_RUN`], until no more are written.
    longest_record: u64,
    /// Whether records were taken since the counters were read.
    unaudited: bool,
    /// Whether something changed since the last snapshot.
    unpublished: bool,
}

/// Sleeps until a ring wakes the reader or the time is over.
fn wait(
    epoll: BorrowedFd<'_>,
    events: &mut Vec<epoll::Event>,
    time: Duration,
) -> anyhow::Result<()> {
    let time = time.try_into()?;
    events.clear();
    match epoll::wait(epoll, rustix::buffer::spare_capacity(events), Some(&time)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests;
