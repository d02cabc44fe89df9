//! What becomes of a life that ended: a verdict, figures, and mismatches with their stories.

use std::collections::VecDeque;

use iotruth_common::probe::Probe;

use super::{
    devices::Policy,
    engine::Engine,
    io_error::IoError,
    kind::{Kind, TABLE},
    life::{Life, Stage},
    mismatch::{Mismatch, Outcome},
    operation::Operation,
    phase::{Phase, Phases},
    snapshot::{OperationFigures, Unjudged},
};

/// How long a record may be on its way, from its attempt number to its ring, in nanoseconds: a program
/// may be preempted in between.
const ON_ITS_WAY: u64 = 2_000_000_000;

/// A life that ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// The life.
    pub(super) life: Box<Life>,
    /// The error that it ended with, and its raw number.
    pub(super) error: Option<(IoError, i32)>,
    /// Why it cannot be judged; `None` where it can.
    pub(super) unjudged: Option<Unjudged>,
    /// When it ended.
    outcome: Outcome,
    /// How many requests it stands for.
    weight: u64,
}

impl Engine {
    /// A life ended by a completion.
    ///
    /// `ring_lost` is what the last record says that its ring had refused.
    pub(super) fn end(&mut self, life: Box<Life>, ring_lost: u32, error: Option<(IoError, i32)>) {
        let outcome = match error.or(life.failed) {
            Some((error, _)) => Outcome::Failed(life.last, error),
            None => Outcome::Ended(life.last),
        };
        self.end_with(life, ring_lost, error, outcome);
    }

    fn end_with(
        &mut self,
        mut life: Box<Life>,
        ring_lost: u32,
        error: Option<(IoError, i32)>,
        outcome: Outcome,
    ) {
        self.flushes.leave(&mut life);
        self.conclude(&life, outcome);
        if self.flavor.operation(life.cmd_flags) == Operation::Flush {
            self.flushes.over(&life);
        }
        let error = error.or(life.failed);
        let lost = life.beginning_lost || life.ring_lost != ring_lost || life.blind != self.blind;
        let unjudged = if lost {
            Some(Unjudged::Loss)
        } else if !life.proved {
            Some(Unjudged::PreExisting)
        } else if life.incomplete {
            Some(Unjudged::Inferred)
        } else {
            None
        };
        let weight = self.weight_of(&life);
        let ending = Ending { life, error, unjudged, outcome, weight };
        // Nearly every life has none.
        let rests_on_history = ending.life.kinds != 0
            && TABLE.iter().any(|row| {
                ending.life.kinds & row.kind.bit() != 0
                    && !self.self_evident(row.kind, &ending.life)
            });
        if unjudged.is_none() && rests_on_history {
            if let Some(mut ending) = self.held.hold(ending) {
                self.lives.verdicts_dropped += 1;
                ending.unjudged = Some(Unjudged::Loss);
                self.settle(&ending);
            }
        } else {
            self.settle(&ending);
            self.spares.keep(ending.life);
        }
    }

    /// A life ended and its end was not seen: its address is in use again, or the device is idle.
    ///
    /// Where what comes next may be the same request, of which something else was lost, nothing is said of an end.
    pub(super) fn end_unseen(&mut self, mut life: Box<Life>, ring_lost: u32, maybe_same: bool) {
        life.incomplete = true;
        // What was asked for has most probably been done: an error would be as rare as the loss.
        life.done = life.done.saturating_add(life.remaining);
        self.account_unseen(&life);
        // What was lost since it began may as well be the beginning of what comes next.
        let (key, lost) = (life.key, (life.ring_lost, life.blind));
        let over = if maybe_same { Outcome::Unknown } else { self.end_unseen_by(&life) };
        self.end_with(life, ring_lost, None, over);
        self.sync(key, lost);
    }

    /// By when a life was over whose end was not seen.
    pub(super) fn end_unseen_by(&self, life: &Life) -> Outcome {
        Outcome::EndUnseen(life.gone().filter(|gone| *gone > life.last).unwrap_or(self.newest))
    }

    /// Says what became of a life, where something was told of it while it was open.
    pub(super) fn conclude(&mut self, life: &Life, outcome: Outcome) {
        let Some(watch) = &life.watch else { return };
        let Some(device) = self.devices.get_mut(life.device) else { return };
        for (kind, id) in &watch.entries {
            self.log.conclude(*kind, device.id, *id, outcome);
        }
    }

    /// Whether one event of this life proves a kind.
    fn self_evident(&self, kind: Kind, life: &Life) -> bool {
        match kind {
            // The failed flush itself needs no history, but what failed with it does.
            Kind::FlushFailed => self.flavor.operation(life.cmd_flags) == Operation::Flush,
            // Of an idle request only its history tells that it was not refused at once.
            Kind::IoError => !life.data_idle,
            Kind::DoubleStart
            | Kind::QueuedInFlight
            | Kind::CompletedWithoutStart
            | Kind::RequeueBusyBeforeStart
            | Kind::RequeueBusyAfterStart
            | Kind::RequeueRetry
            | Kind::RequeueShortTransfer
            | Kind::RequeueTimeout
            | Kind::IoErrorExpected
            | Kind::PartialCompletion
            | Kind::DispatchFailure
            | Kind::TimedOut
            | Kind::FlushEmulated
            | Kind::OverCompletion
            | Kind::RequeueStorm
            | Kind::Recovered
            | Kind::PathFailover
            | Kind::StuckInDevice
            | Kind::HungInDevice
            | Kind::StuckInQueue
            | Kind::HungInQueue
            | Kind::Late
            | Kind::SlowFlush
            | Kind::Merged => kind.self_evident(),
        }
    }

    /// Lets go of the verdicts on what ended before the counters of lost events were read.
    ///
    /// One that a missing record may belong to waits until it has come, and is none if it does not.
    pub(super) fn release(&mut self, read: u64) {
        let mut waiting = VecDeque::new();
        while let Some(mut ending) = self.held.before(read) {
            let life = &ending.life;
            let missing = !self.caught_up(life.key.ring);
            if missing && read.saturating_sub(life.last) < ON_ITS_WAY {
                waiting.push_back(ending);
                continue;
            }
            if missing || life.blind != self.blind {
                ending.unjudged = Some(Unjudged::Loss);
            }
            self.settle(&ending);
        }
        self.held.put_back(waiting);
    }

    /// Writes an ending into the books.
    fn settle(&mut self, ending: &Ending) {
        self.lives.open = self.lives.open.saturating_sub(1);
        match ending.unjudged {
            None => self.lives.judged += 1,
            Some(reason) => {
                self.lives.unjudged += 1;
                if reason == Unjudged::Inferred {
                    self.lives.inferred += 1;
                }
            }
        }
        let operation = self.flavor.operation(ending.life.cmd_flags);
        let phases = match ending.unjudged {
            None => ending.life.phases(),
            Some(_) => Phases::default(),
        };
        let Some(device) = self.devices.get_mut(ending.life.device) else { return };
        device.open = device.open.saturating_sub(1);
        if device.policy == Policy::Exclude {
            return;
        }
        count(device.operation(operation), ending, &phases);
        let kinds = ending.life.kinds & !ending.life.told();
        if kinds == 0 {
            return;
        }
        for row in &TABLE {
            let shown = ending.unjudged.is_none() || self.self_evident(row.kind, &ending.life);
            if kinds & row.kind.bit() != 0 && shown {
                self.show(row.kind, &ending.life, ending.error, phases, ending.outcome);
            }
        }
    }

    /// Tells that a request was merged into another one: for nearly all only by counting it.
    pub(super) fn show_merge(&mut self, life: &Life, operation: Operation) {
        let Some(device) = self.devices.get_mut(life.device) else { return };
        if self.log.repeat(Kind::Merged, device.id, operation, life.last) {
            self.devices.count_mismatch(life.device, Kind::Merged);
        } else {
            self.show(Kind::Merged, life, None, life.phases(), Outcome::Ended(life.last));
        }
    }

    /// Writes one mismatch of a life into the log.
    pub(super) fn show(
        &mut self,
        kind: Kind,
        life: &Life,
        error: Option<(IoError, i32)>,
        phases: Phases,
        outcome: Outcome,
    ) {
        self.show_at(kind, life, error, phases, outcome, life.last);
    }

    /// Writes one mismatch of a life that was noticed at `time` into the log; returns the id of its entry.
    pub(super) fn show_at(
        &mut self,
        kind: Kind,
        life: &Life,
        error: Option<(IoError, i32)>,
        phases: Phases,
        outcome: Outcome,
        time: u64,
    ) -> Option<u64> {
        let device = self.devices.get_mut(life.device)?;
        if device.policy == Policy::Exclude {
            return None;
        }
        let (device, device_name) = (device.id, device.name.to_string());
        self.devices.count_mismatch(life.device, kind);
        let (sector, bytes) = match kind {
            // These are about what was asked for, of which the last attempt had only the rest.
            Kind::PartialCompletion | Kind::RequeueShortTransfer => life.asked,
            Kind::DoubleStart
            | Kind::QueuedInFlight
            | Kind::CompletedWithoutStart
            | Kind::RequeueBusyBeforeStart
            | Kind::RequeueBusyAfterStart
            | Kind::RequeueRetry
            | Kind::RequeueTimeout
            | Kind::DispatchFailure
            | Kind::FlushFailed
            | Kind::TimedOut
            | Kind::FlushEmulated
            | Kind::OverCompletion
            | Kind::RequeueStorm
            | Kind::Recovered
            | Kind::PathFailover
            | Kind::StuckInDevice
            | Kind::HungInDevice
            | Kind::StuckInQueue
            | Kind::HungInQueue
            | Kind::Late
            | Kind::SlowFlush
            | Kind::Merged => life.extent,
            Kind::IoError | Kind::IoErrorExpected => failed_part(life),
        };
        let place = |sector: u64| (sector != u64::MAX).then_some(sector);
        let mismatch = Mismatch {
            id: 0,
            kind,
            first: time,
            last: time,
            count: 1,
            device,
            device_name,
            operation: self.flavor.operation(life.cmd_flags),
            letters: self.flavor.letters(life.cmd_flags),
            flags: self.flavor.words(life.cmd_flags),
            sector: place(sector),
            bytes,
            bytes_done: life.done,
            asked: (place(life.asked.0), life.asked.1),
            error,
            owner: life.owner,
            outcome,
            request: life.key.request,
            hardware_queue: life.hardware_queue,
            tag: life.tag,
            timeline: life.events.timeline(),
            phases,
            waited: if kind.is_of_the_open() { life.waited() } else { None },
        };
        Some(self.log.add(mismatch, life.entry(kind)))
    }

    /// Shows a kind of an open life, whose entry will say what became of it.
    pub(super) fn show_open(&mut self, kind: Kind, life: &mut Life, phases: Phases, time: u64) {
        let id = self.show_at(kind, life, None, phases, Outcome::Open, time);
        let watch = life.watch();
        watch.told |= kind.bit();
        watch.entries.retain(|(other, _)| *other != kind);
        watch.entries.extend(id.map(|id| (kind, id)));
    }

    /// What the final completion of a request with an error is called.
    pub(super) fn error_kind(&self, life: &Life, at: ErrorAt, error: IoError) -> Kind {
        let flush = self.flavor.operation(life.cmd_flags) == Operation::Flush;
        if self.flavor.passthrough(life.cmd_flags) {
            return self.data_error_kind(life, at, error);
        }
        // Its start has the flag. Without one only the flush that just failed can tell, but where
        // starts are traced that is a request of its own, refused by a device that has gone. Only
        // writes wait for flushes.
        let write = self.flavor.operation(life.cmd_flags) == Operation::Write;
        let waited = life.cmd_flags & self.flavor.req.preflush != 0
            || (write && !self.starts.of_flushes() && life.begin == Probe::Complete);
        let with_flush = life.flush_failed
            || self.flushes.fails_with(life.key.ring, at.cpu, life.queue, life.last);
        // Commands for zones have no bytes either, and wait for nothing.
        let empty = write && at.bytes == 0;
        let before_data = !life.first_issue.has_come() && (empty || (waited && with_flush));
        if !at.timed_out && (flush || life.data_done.has_come() || before_data) {
            Kind::FlushFailed
        } else {
            self.data_error_kind(life, at, error)
        }
    }

    /// What an error of a request's own data is called.
    pub(super) fn data_error_kind(&self, life: &Life, at: ErrorAt, error: IoError) -> Kind {
        if self.flavor.passthrough(life.cmd_flags) {
            // Whoever sent the command gets its status and knows what to make of it.
            Kind::IoErrorExpected
        } else if at.timed_out {
            Kind::TimedOut
        } else if self.is_probed_for(life.cmd_flags, error) {
            Kind::IoErrorExpected
        } else if at.idle && (!life.first_issue.has_come() || matches!(life.stage, Stage::Issued)) {
            // One that was issued is not idle: something between was not seen, and it rests on that.
            Kind::DispatchFailure
        } else {
            Kind::IoError
        }
    }

    /// Whether callers send such a request to find out if the device can do it.
    fn is_probed_for(&self, cmd_flags: u32, error: IoError) -> bool {
        match self.flavor.operation(cmd_flags) {
            // SCSI has no status of its own for a command that the device does not know
            // (`sd_setup_write_zeroes_cmnd`, `sd_init_command`, `scsi_check_sense`). `sd_done` then
            // takes the limit away, and the block layer writes zeroes instead, or does without.
            Operation::Discard | Operation::WriteZeroes | Operation::SecureErase => {
                matches!(error, IoError::NotSupported | IoError::Again | IoError::Target)
            }
            Operation::Read
            | Operation::Write
            | Operation::Flush
            | Operation::Zone
            | Operation::Other => matches!(error, IoError::NotSupported | IoError::Again),
        }
    }
}

/// What the judge wants to know of a final completion with an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorAt {
    /// Where it ran.
    pub(super) cpu: u16,
    /// Bytes that ended with it.
    pub(super) bytes: u32,
    /// Whether the request was idle: nobody had started it.
    pub(super) idle: bool,
    /// Whether its timeout had fired.
    pub(super) timed_out: bool,
}

/// Adds one ended life to the figures of its device and operation, as so many as it stands for.
fn count(figures: &mut OperationFigures, ending: &Ending, phases: &Phases) {
    let weight = ending.weight;
    figures.requests += weight;
    figures.extrapolated += weight - 1;
    figures.bytes = figures.bytes.wrapping_add(weight * u64::from(ending.life.done));
    if let Some((error, _)) = ending.error
        && let Some(total) = figures.errors.get_mut(error as usize)
    {
        *total += weight;
    }
    if let Some(reason) = ending.unjudged {
        if let Some(total) = figures.unjudged.get_mut(reason as usize) {
            *total += weight;
        }
        return;
    }
    let Phases { queue, retry, device, flush, total } = *phases;
    let mut add = |phase: Phase, duration: Option<u64>, always: bool| match duration {
        Some(duration) => {
            figures.phase(phase).record(duration, weight);
        }
        None if always => figures.phase_unknown[phase as usize] += weight,
        None => {}
    };
    // A life need not have been sent back or have waited for a flush; the others it has, whether or
    // not they were seen.
    add(Phase::Queue, queue, true);
    add(Phase::Retry, retry, false);
    add(Phase::Device, device, true);
    add(Phase::Flush, flush, false);
    add(Phase::Total, total, true);
}
/// Sector and length of what ended with an error: of the last attempt, or of a part before it, where that
/// was the rest and ended well.
fn failed_part(life: &Life) -> (u64, u32) {
    let events = life.events.timeline().events;
    let mut completions = events.iter().filter(|event| event.probe == Probe::Complete).rev();
    let well = completions.next().is_some_and(|event| event.status == 0);
    let failed = completions.find(|event| event.status != 0 && event.completed > 0);
    let (sector, bytes) = life.extent;
    match failed {
        Some(part) if well && sector != u64::MAX => {
            let end = sector.saturating_add(u64::from(bytes >> 9));
            (end.saturating_sub(u64::from(part.remaining >> 9)), part.completed)
        }
        _ => life.extent,
    }
}
