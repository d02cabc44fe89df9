//! What is to be told of a life, by the truth and not by what the engine makes of it.
//!
//! A new kind of mismatch is one arm of [`evidence`].

use iotruth_common::{probe::Probe, record::STATE_IDLE};

use super::history::{Completed, Event, History, Of};
use crate::engine::{
    flavor::Flavor, io_error::IoError, kind::Kind, operation::Operation, phase::Phases,
};

/// How many events of a life show a kind. The two kinds that are told at once are told for each of
/// them; all others once, when the life is over.
pub(super) fn evidence(kind: Kind, life: &History) -> u64 {
    let failed = |how| failures(life).filter(|failure| *failure == how).count() as u64;
    let ended_well = life.events.last().is_some_and(|end| end.completed.status == 0);
    match kind {
        Kind::DoubleStart => started(life, &[Probe::Issue]),
        Kind::QueuedInFlight => started(life, &[Probe::Insert, Probe::Merge]),
        Kind::CompletedWithoutStart => {
            let idle = |(event, completed): &(&Event, Completed)| {
                event.state == STATE_IDLE && completed.bytes > 0 && completed.status == 0
            };
            life.completions().filter(idle).count() as u64
        }
        Kind::RequeueBusyBeforeStart => classes(life)[0],
        Kind::RequeueBusyAfterStart => classes(life)[1],
        Kind::RequeueShortTransfer => classes(life)[3],
        // Whoever passes a command through is told how it ends.
        Kind::RequeueRetry
        | Kind::RequeueTimeout
        | Kind::Recovered
        | Kind::TimedOut
        | Kind::PathFailover
            if life.is_passthrough() =>
        {
            0
        }
        Kind::RequeueRetry => classes(life)[2],
        Kind::RequeueTimeout => classes(life)[4],
        Kind::IoError => failed(Failure::Error),
        Kind::IoErrorExpected => failed(Failure::Expected),
        Kind::PartialCompletion => {
            let part = |(_, completed): &(&Event, Completed)| {
                completed.of == Of::Part && completed.bytes > 0
            };
            life.completions().filter(part).count() as u64
        }
        Kind::DispatchFailure => failed(Failure::Refused),
        Kind::FlushFailed => failed(Failure::Flush),
        Kind::TimedOut => failed(Failure::Timeout) + u64::from(ended_well && ended_late(life)),
        Kind::FlushEmulated => u64::from(!life.is_flush() && ended_well && sequence_is_seen(life)),
        Kind::Recovered => u64::from(ended_well && !ended_late(life) && setbacks(life) > 0),
        Kind::PathFailover => u64::from(ended_well && is_failover(life)),
        // Nothing here lasts long, is sent back a thousand times or transfers too much. A merge is
        // told with its end, which is no completion.
        Kind::Merged
        | Kind::OverCompletion
        | Kind::RequeueStorm
        | Kind::StuckInDevice
        | Kind::HungInDevice
        | Kind::StuckInQueue
        | Kind::HungInQueue
        | Kind::Late
        | Kind::SlowFlush => 0,
    }
}

/// Whether its timeout had fired when it ended.
fn ended_late(life: &History) -> bool {
    life.events.last().is_some_and(|end| end.timed_out)
}

/// Attempts that failed or timed out, and of which nobody was told.
fn setbacks(life: &History) -> u64 {
    let in_vain = |(_, completed): &(&Event, Completed)| {
        completed.of == Of::Part && completed.bytes == 0 && completed.status != 0
    };
    let classes = classes(life);
    classes[2] + classes[4] + life.completions().filter(in_vain).count() as u64
}

/// Whether its bios were taken to another path.
fn is_moved(life: &History) -> bool {
    let marked = life.cmd_flags & Flavor::linux_6_12().req.drv != 0;
    let emptied = life.events.last().is_some_and(|end| end.extent.1 == 0);
    marked && emptied && life.transferred() == 0
}

/// Whether that was after the driver had it.
fn is_failover(life: &History) -> bool {
    let asked = life.events.first().is_some_and(|first| first.extent.1 > 0);
    is_moved(life) && asked && life.issues().next().is_some()
}

/// How often a kind may be told of a life although it is not what happened, because with a record
/// missing that nobody counts nothing tells the two apart.
pub(super) fn excused(kind: Kind, life: &History) -> u64 {
    if kind != Kind::DispatchFailure {
        return 0;
    }
    // A request with data that fails with the flush before them looks, in its completion, like one
    // that is refused. What tells them apart is its own start and the flush's completion.
    let flush =
        (life.lost || life.flush_lost) && failures(life).any(|failure| failure == Failure::Flush);
    // One that is refused at a later attempt looks like one that is refused at the first, if nothing
    // is seen of what the driver had of it: each issue, and each requeue and part that followed. Only of
    // reads and writes the timeout tells.
    let driven = |event: &&Event| event.probe == Probe::Issue || event.state != STATE_IDLE;
    let mut had = life.events.iter().skip_while(|event| event.probe != Probe::Issue).filter(driven);
    let again = life.cmd_flags as u8 > 1
        && life.events.last().is_some_and(|end| end.state == STATE_IDLE)
        && had.all(|event| event.missing)
        && failures(life).any(|failure| failure == Failure::Error);
    u64::from(flush || again)
}

/// Whether a kind is told at once, before the end is known.
pub(super) const fn at_once(kind: Kind) -> bool {
    matches!(kind, Kind::DoubleStart | Kind::QueuedInFlight)
}

/// Events that the kernel allows only for an idle request, and that happened to another one.
fn started(life: &History, probes: &[Probe]) -> u64 {
    let wrong = |event: &&Event| event.state != STATE_IDLE && probes.contains(&event.probe);
    life.events.iter().filter(wrong).count() as u64
}

/// Its requeues by class: before the start, after it, to retry, after a short transfer, timed out.
pub(super) fn classes(life: &History) -> [u64; 5] {
    let mut classes = [0; 5];
    let mut transferred = 0;
    for event in &life.events {
        match event.probe {
            Probe::Issue => transferred = 0,
            Probe::Complete => transferred += event.completed.bytes,
            Probe::Requeue => {
                let class = match event.state {
                    _ if event.timed_out => 4,
                    0 => 0,
                    _ if transferred > 0 => 3,
                    state => usize::from(state),
                };
                classes[class] += 1;
            }
            Probe::Start | Probe::Insert | Probe::Merge | Probe::Remap => {}
        }
    }
    classes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Timeout,
    Expected,
    Refused,
    Error,
    Flush,
}

/// What failed, and how it is called; what ends with its data or in vain is told with that.
fn failures(life: &History) -> impl Iterator<Item = Failure> {
    life.completions().filter_map(|(event, completed)| {
        if completed.status == 0 {
            return None;
        }
        let error = Flavor::linux_6_12().error(completed.status);
        match completed.of {
            Of::Part if completed.bytes == 0 => None,
            Of::Nothing => None,
            _ if life.is_passthrough() => Some(Failure::Expected),
            _ if event.timed_out => Some(Failure::Timeout),
            Of::Flush => Some(Failure::Flush),
            Of::Part | Of::Data => Some(match error {
                Some(IoError::NotSupported | IoError::Again) => Failure::Expected,
                // How SCSI says that the device does not know the command.
                Some(IoError::Target) if life.operation() == Operation::Discard => {
                    Failure::Expected
                }
                _ if event.state == STATE_IDLE && life.issues().next().is_none() => {
                    Failure::Refused
                }
                _ => Failure::Error,
            }),
        }
    })
}

/// Whether its records show that it took part in a flush sequence.
fn sequence_is_seen(life: &History) -> bool {
    let waited = life.pre_flushed.is_some() && life.events[0].probe == Probe::Start;
    waited || life.events.iter().any(|event| event.sequenced)
}

/// First sector and length, as they are shown with a kind.
pub(super) fn extent(kind: Kind, life: &History) -> (Option<u64>, u32) {
    let submitted = |event: &&Event| {
        matches!(event.probe, Probe::Start | Probe::Insert | Probe::Issue)
            && event.state == STATE_IDLE
    };
    let asked = matches!(kind, Kind::PartialCompletion | Kind::RequeueShortTransfer);
    let mut events = life.events.iter().filter(submitted);
    let shown = if asked {
        // What was asked for is what the driver was given first, merges included.
        let first = life.issues().next().copied();
        first.or_else(|| events.next_back().copied())
    } else {
        events.next_back().copied()
    };
    let ended_well = life.events.last().is_some_and(|end| end.completed.status == 0);
    let failed = life
        .completions()
        .filter(|(_, completed)| completed.status != 0 && completed.bytes > 0)
        .last();
    let (sector, bytes) = match (kind, failed) {
        // What came after it did not fail.
        (Kind::IoError | Kind::IoErrorExpected, Some((event, part))) if ended_well => {
            (event.extent.0, part.bytes)
        }
        _ => shown.unwrap_or(life.events[0]).extent,
    };
    ((sector != u64::MAX).then_some(sector), bytes)
}

/// The error that is shown with a life.
pub(super) fn error(life: &History) -> Option<(IoError, i32)> {
    let status = life.status();
    Flavor::linux_6_12().error(status).map(|error| (error, status))
}

/// The durations of the phases, as README.md defines them.
pub(super) fn phases(life: &History) -> Phases {
    let (Some(first), Some(last)) = (life.events.first(), life.events.last()) else {
        return Phases::default();
    };
    let (begin, end) = (first.time, last.time);
    let queued = matches!(first.probe, Probe::Start | Probe::Insert);
    let data_end = life.data_done.unwrap_or(end);
    let after = life.data_done.map(|done| end - done);
    let first_issue = life.issues().next().map(|event| event.time);
    if !queued && first_issue.is_none() {
        return Phases::default();
    }
    // A flush before the data is in the life only where its start is.
    let before = life.pre_flushed.filter(|_| first.probe == Probe::Start).map(|flushed| {
        let latest = first_issue.unwrap_or(data_end);
        flushed.clamp(begin, latest) - begin
    });
    let Some(first_issue) = first_issue else {
        let never_on_its_way = before.is_some() && life.data_done.is_none();
        let flush = if never_on_its_way {
            Some(end - begin)
        } else if before.is_some() || after.is_some() {
            Some(before.unwrap_or(0) + after.unwrap_or(0))
        } else {
            None
        };
        let queue = (!never_on_its_way).then(|| end - begin - flush.unwrap_or(0));
        return Phases { queue, flush, total: Some(end - begin), ..Phases::default() };
    };
    let flush = match (before, after) {
        (None, None) => None,
        (before, after) => Some(before.unwrap_or(0) + after.unwrap_or(0)),
    };
    let mut attempts = life.events.iter().filter(|event| {
        event.probe == Probe::Requeue || (event.probe == Probe::Issue && event.state == STATE_IDLE)
    });
    // It was with the device at last if it was not sent back after it was issued.
    let last_attempt = attempts.next_back().filter(|event| event.probe == Probe::Issue);
    let again = life.issues().next_back().map(|event| event.time) != Some(first_issue)
        || life.issues().count() > 1;
    let retried = again || last_attempt.is_none();
    let attempts_end = last_attempt.map_or(data_end, |event| event.time);
    Phases {
        queue: queued.then(|| first_issue - begin - before.unwrap_or(0)),
        retry: retried.then(|| attempts_end - first_issue),
        device: last_attempt.map(|event| data_end - event.time),
        flush,
        total: Some(end - if queued { begin } else { first_issue }),
    }
}
