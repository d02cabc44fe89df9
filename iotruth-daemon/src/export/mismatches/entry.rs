//! One mismatch in the JSON of `/mismatches`.

use iotruth_common::record::{STATE_COMPLETE, STATE_IDLE, STATE_IN_FLIGHT};
use serde::Serialize;

use super::sentence::sentence;
use crate::{
    engine::{
        mismatch::{Mismatch, Outcome},
        phase::Phase,
        timeline::TimelineEvent,
    },
    export::units::{microseconds, utc},
    view::Anchor,
};

/// One mismatch; field names and meanings are part of the schema.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    id: u64,
    /// What happened, in one sentence.
    sentence: String,
    kind: &'static str,
    severity: &'static str,
    first: String,
    last: String,
    count: u64,
    device: &'a str,
    device_number: String,
    operation: &'static str,
    /// As blktrace writes them.
    letters: &'a str,
    flags: &'a [&'static str],
    sector: Option<u64>,
    bytes: u32,
    /// By all attempts together.
    bytes_done: u32,
    /// Before its first issue: an attempt that comes after a partial transfer has only the rest.
    asked_sector: Option<u64>,
    asked_bytes: u32,
    error: Option<ErrorEntry>,
    owner: OwnerEntry,
    /// What became of the request: `open`, `ended`, `failed`, `end_unseen` or `unknown`.
    outcome: &'static str,
    /// When it ended, or by when it was over; `null` where that is not known.
    ended: Option<String>,
    /// Address of the `struct request`.
    request: String,
    hardware_queue: u16,
    /// `null` where no driver tag was seen.
    tag: Option<i32>,
    timeline: TimelineEntry,
    phases_us: PhasesEntry,
    /// How long a stuck request had been where it was at least, in microseconds; `null` where the phases tell,
    /// and for other kinds.
    waited_us: Option<f64>,
    meaning: &'static str,
    advice: &'static str,
}

#[derive(Debug, Serialize)]
struct ErrorEntry {
    class: &'static str,
    code: i32,
    words: &'static str,
}

/// `null` where only a kernel worker was seen, which acts for somebody else.
#[derive(Debug, Serialize)]
struct OwnerEntry {
    pid: Option<u32>,
    tgid: Option<u32>,
    comm: Option<String>,
    cgroup: Option<u64>,
}

#[derive(Debug, Serialize)]
struct TimelineEntry {
    /// Offsets count from this moment on.
    start: Option<String>,
    events: Vec<EventEntry>,
    /// Events between the first eight and the rest that are not told.
    left_out: u32,
}

#[derive(Debug, Serialize)]
struct EventEntry {
    offset_us: f64,
    event: &'static str,
    cpu: u16,
    state: String,
    remaining: u32,
    /// `null` where the event is not a completion.
    completed: Option<u32>,
    status: Option<i32>,
}

/// Microseconds; `null` where a phase did not happen or its beginning was not traced.
#[derive(Debug, Serialize)]
struct PhasesEntry {
    queue: Option<f64>,
    retry: Option<f64>,
    device: Option<f64>,
    flush: Option<f64>,
    total: Option<f64>,
}

impl<'a> Entry<'a> {
    /// The entry of a mismatch.
    #[must_use]
    pub fn new(mismatch: &'a Mismatch, anchor: &Anchor) -> Self {
        let row = mismatch.kind.row();
        let task = mismatch.owner.task;
        let phase = |phase| mismatch.phases.get(phase).map(microseconds);
        let (outcome, ended) = outcome(mismatch.outcome);
        let start = mismatch.timeline.events.first().map(|event| event.time);
        Self {
            id: mismatch.id,
            sentence: sentence(mismatch),
            kind: row.slug,
            severity: row.severity.label(),
            first: utc(anchor.wall_time(mismatch.first)),
            last: utc(anchor.wall_time(mismatch.last)),
            count: mismatch.count,
            device: &mismatch.device_name,
            device_number: mismatch.device.to_string(),
            operation: mismatch.operation.label(),
            letters: &mismatch.letters,
            flags: &mismatch.flags,
            sector: mismatch.sector,
            bytes: mismatch.bytes,
            bytes_done: mismatch.bytes_done,
            asked_sector: mismatch.asked.0,
            asked_bytes: mismatch.asked.1,
            error: mismatch.error.map(|(error, code)| ErrorEntry {
                class: error.label(),
                code,
                words: error.words(),
            }),
            owner: OwnerEntry {
                pid: task.map(|task| task.pid),
                tgid: task.map(|task| task.tgid),
                comm: task.map(|task| task.name()),
                cgroup: Some(mismatch.owner.cgroup).filter(|cgroup| *cgroup != 0),
            },
            outcome,
            ended: ended.map(|time| utc(anchor.wall_time(time))),
            request: address(mismatch),
            hardware_queue: mismatch.hardware_queue,
            tag: Some(mismatch.tag).filter(|tag| *tag >= 0),
            timeline: TimelineEntry {
                start: start.map(|start| utc(anchor.wall_time(start))),
                events: mismatch
                    .timeline
                    .events
                    .iter()
                    .map(|event| EventEntry::new(event, start.unwrap_or(event.time)))
                    .collect(),
                left_out: mismatch.timeline.left_out,
            },
            phases_us: PhasesEntry {
                queue: phase(Phase::Queue),
                retry: phase(Phase::Retry),
                device: phase(Phase::Device),
                flush: phase(Phase::Flush),
                total: phase(Phase::Total),
            },
            waited_us: mismatch.waited.map(microseconds),
            meaning: row.meaning,
            advice: row.advice,
        }
    }
}

impl EventEntry {
    fn new(event: &TimelineEvent, start: u64) -> Self {
        let completion = is_completion(event);
        Self {
            offset_us: microseconds(event.time.saturating_sub(start)),
            event: event.probe.label(),
            cpu: event.cpu,
            state: state(event.state),
            remaining: event.remaining,
            completed: completion.then_some(event.completed),
            status: completion.then_some(event.status),
        }
    }
}

/// The word for what became of a request, and when it had ended.
const fn outcome(outcome: Outcome) -> (&'static str, Option<u64>) {
    match outcome {
        Outcome::Open => ("open", None),
        Outcome::Ended(time) => ("ended", Some(time)),
        Outcome::EndUnseen(time) => ("end_unseen", Some(time)),
        Outcome::Failed(time, _) => ("failed", Some(time)),
        Outcome::Unknown => ("unknown", None),
    }
}

/// Whether an event has completed bytes and a status.
pub(super) fn is_completion(event: &TimelineEvent) -> bool {
    event.probe == iotruth_common::probe::Probe::Complete
}

/// Address of the request, as kernel tools print it.
pub(super) fn address(mismatch: &Mismatch) -> String {
    format!("{:#018x}", mismatch.request)
}

/// The word for `rq->state`.
pub(super) fn state(state: u8) -> String {
    match state {
        STATE_IDLE => "idle".to_owned(),
        STATE_IN_FLIGHT => "in flight".to_owned(),
        STATE_COMPLETE => "complete".to_owned(),
        other => format!("unknown ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, state};
    use crate::export::sample;

    #[test]
    fn offsets_count_from_the_first_event_and_keep_nanoseconds() {
        let view = sample::busy();
        let mismatch = sample::failed_read();
        let entry = Entry::new(&mismatch, &view.anchor);
        let offsets: Vec<String> =
            entry.timeline.events.iter().map(|event| event.offset_us.to_string()).collect();
        assert_eq!(offsets, ["0", "12.345", "1216.345"]);
        assert_eq!(entry.timeline.start.as_deref(), Some("2026-05-04T10:01:40.500000Z"));
        assert_eq!(entry.first, "2026-05-04T10:01:40.501216Z");
    }

    #[test]
    fn what_is_not_known_is_null_and_never_zero() {
        let view = sample::busy();
        let mismatch = sample::failed_flush();
        let entry = Entry::new(&mismatch, &view.anchor);
        assert_eq!((entry.sector, entry.tag, entry.owner.pid), (None, None, None));
        assert_eq!((entry.owner.cgroup, entry.phases_us.total), (None, None));
        assert_eq!(entry.timeline.start, None);
    }

    #[test]
    fn states_have_the_kernels_words() {
        assert_eq!([state(0), state(1), state(2)], ["idle", "in flight", "complete"]);
        assert_eq!(state(9), "unknown (9)");
    }
}
