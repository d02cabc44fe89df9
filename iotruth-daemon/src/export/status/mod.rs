//! `/status`: how the daemon itself is doing, and whether its books balance.

mod books;
mod text;

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use self::books::{EventBooks, LifeBooks, StatisticsBooks};
use super::{
    audit::audits,
    query::{Format, Query, QueryError},
    units::{microseconds, utc},
};
use crate::{
    engine::{
        kind::{Severity, TABLE},
        snapshot::{DeviceFigures, Loss, OperationFigures, Snapshot},
    },
    view::{StartUp, View},
};

/// Keys of the query.
pub const KEYS: &[&str] = &["format"];

/// Version of the JSON schema; grows when a field is renamed or removed.
const VERSION: u32 = 1;

/// The whole answer.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    version: u32,
    iotruth: &'static str,
    kernel: &'a str,
    now: String,
    attached_since: String,
    start_up: StartUpEntry,
    ready: bool,
    not_ready: Option<&'a str>,
    programs: Vec<ProgramEntry<'a>>,
    tracepoints_missing: Vec<&'static str>,
    transport: &'static str,
    /// Why it is not the cheaper one, where nobody has asked for that.
    transport_reason: Option<&'a str>,
    ring_bytes: u32,
    rings: Vec<RingEntry>,
    readers: Vec<ReaderEntry>,
    lost: LostEntry,
    ledger: Ledger<'a>,
    devices: Vec<DeviceEntry<'a>>,
    process: ProcessEntry,
    cost: CostEntry,
    notes: &'a [String],
}

/// What following the requests costs.
#[derive(Debug, Serialize)]
struct CostEntry {
    daemon_cpus: f64,
    /// Those of them that the main thread used, which puts answers together and gives them.
    answer_cpus: f64,
    program_cpus: f64,
    /// Of all but the answers.
    limit_cpus: Option<f64>,
    owners_known: bool,
    /// One request in so many is followed.
    one_in: u32,
    ring_fill_ratio: f64,
}

/// How long the start took, until the last program was attached.
#[derive(Debug, Serialize)]
struct StartUpEntry {
    total_us: f64,
    types_us: f64,
    object_us: f64,
    verifier_us: f64,
    attach_us: f64,
    /// Several are verified at a time.
    programs: Vec<VerifierEntry>,
}

#[derive(Debug, Serialize)]
struct VerifierEntry {
    program: &'static str,
    verifier_us: f64,
}

#[derive(Debug, Serialize)]
struct ProgramEntry<'a> {
    tracepoint: &'static str,
    /// What it is attached to for want of the tracepoint.
    function: Option<&'static str>,
    event: &'static str,
    attached: bool,
    /// Whether iotruth refuses to run without it.
    mandatory: bool,
    /// Why it is not attached.
    missing: Option<&'a str>,
    /// Whether a second program tells what the first one is skipped for.
    second: bool,
}

#[derive(Debug, Serialize)]
struct RingEntry {
    ring: usize,
    received: u64,
    lost: u64,
}

#[derive(Debug, Serialize)]
struct ReaderEntry {
    reader: usize,
    rings: usize,
    lag_us: f64,
}

/// Events that never reached the engine.
#[derive(Debug, Serialize)]
struct LostEntry {
    ring_full: u64,
    recursion: u64,
    late: u64,
    user_queue: u64,
    inferred: u64,
}

#[derive(Debug, Serialize)]
struct Ledger<'a> {
    /// Whatever happened before is in all figures, or counted as lost.
    complete_until: String,
    events: Vec<EventBooks>,
    lives: LifeBooks,
    audits: AuditEntry,
    /// Against `/proc/diskstats`.
    devices: Vec<StatisticsBooks<'a>>,
}

/// The audits against `/proc/diskstats`.
#[derive(Debug, Serialize)]
struct AuditEntry {
    whole: u64,
    given_up: u64,
    /// Since the last whole one; before the first one, since audits began. `null` while there are none,
    /// because not every request is followed.
    age_seconds: Option<f64>,
}

/// What the engine alone knows of the books.
#[derive(Debug, Serialize)]
pub(super) struct Books {
    lost: LostEntry,
    events: Vec<EventBooks>,
    lives: LifeBooks,
}

#[derive(Debug, Serialize)]
struct DeviceEntry<'a> {
    name: &'a str,
    number: String,
    /// `null` before Linux 5.15.
    sequence: Option<u64>,
    requests: u64,
    /// Those of them that were not seen, and that others stand for.
    extrapolated: u64,
    bytes: u64,
    merges: u64,
    errors: u64,
    unjudged: u64,
    in_flight: u64,
    mismatches: Severities,
}

#[derive(Debug, Serialize)]
struct Severities {
    info: u64,
    warning: u64,
    critical: u64,
}

#[derive(Debug, Serialize)]
struct ProcessEntry {
    cpu_seconds: f64,
    resident_bytes: u64,
    resident_anonymous_bytes: u64,
    open_files: u64,
}

/// The form that a query asks for.
pub fn format(pairs: &[(String, String)]) -> Result<Format, QueryError> {
    Query::new(pairs, KEYS)?.format()
}

/// How the daemon itself is doing.
#[must_use]
pub fn status(view: &View, format: Format) -> Bytes {
    let answer = Answer::new(view);
    match format {
        Format::Json => super::json(&answer),
        Format::Text => Bytes::from(text::text(&answer)),
    }
}

impl<'a> Answer<'a> {
    fn new(view: &'a View) -> Self {
        let (status, snapshot) = (&view.status, &view.snapshot);
        Self {
            version: VERSION,
            iotruth: env!("CARGO_PKG_VERSION"),
            kernel: &status.kernel,
            now: utc(view.anchor.wall_time(snapshot.taken)),
            attached_since: utc(status.attached),
            start_up: StartUpEntry::new(&status.start_up),
            ready: status.not_ready.is_none(),
            not_ready: status.not_ready.as_deref(),
            programs: status
                .programs
                .iter()
                .map(|program| ProgramEntry {
                    tracepoint: program.probe.tracepoint(),
                    function: program.function,
                    event: program.probe.label(),
                    attached: program.missing.is_none(),
                    mandatory: program.probe.mandatory(),
                    missing: program.missing.as_deref(),
                    second: program.second,
                })
                .collect(),
            tracepoints_missing: status
                .programs
                .iter()
                .filter(|program| program.missing.is_some())
                .map(|program| program.probe.tracepoint())
                .collect(),
            transport: status.transport,
            transport_reason: status.transport_reason.as_deref(),
            ring_bytes: status.ring_bytes,
            rings: snapshot
                .rings
                .iter()
                .map(|ring| RingEntry { ring: ring.ring, received: ring.received, lost: ring.lost })
                .collect(),
            readers: status
                .readers
                .iter()
                .enumerate()
                .map(|(number, reader)| ReaderEntry {
                    reader: number,
                    rings: reader.rings,
                    lag_us: of(reader.lag),
                })
                .collect(),
            lost: LostEntry::new(snapshot),
            ledger: Ledger {
                complete_until: utc(view.anchor.wall_time(snapshot.complete_until)),
                events: books::events(snapshot),
                lives: LifeBooks::new(&snapshot.lives),
                audits: AuditEntry {
                    whole: status.audits.whole,
                    given_up: status.audits.given_up,
                    age_seconds: status.audits.age.map(|age| age.as_secs_f64()),
                },
                devices: audits(view, snapshot.devices.values())
                    .into_iter()
                    .map(|(device, audit)| StatisticsBooks::new(device, audit))
                    .collect(),
            },
            devices: snapshot.devices.values().map(DeviceEntry::new).collect(),
            process: ProcessEntry {
                cpu_seconds: status.process.cpu.as_secs_f64(),
                resident_bytes: status.process.resident,
                resident_anonymous_bytes: status.process.resident_anonymous,
                open_files: status.process.open_files,
            },
            cost: CostEntry {
                daemon_cpus: status.cost.daemon,
                answer_cpus: status.cost.answers,
                program_cpus: status.cost.programs,
                limit_cpus: status.cost.limit,
                owners_known: status.cost.owners,
                one_in: status.cost.one_in,
                ring_fill_ratio: status.ring_fill(),
            },
            notes: &status.notes,
        }
    }
}

/// In microseconds.
fn of(time: Duration) -> f64 {
    microseconds(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

impl StartUpEntry {
    fn new(start_up: &StartUp) -> Self {
        let StartUp { total, types, object, verifier, attach, programs } = start_up;
        let programs = programs
            .iter()
            .map(|(program, took)| VerifierEntry { program, verifier_us: of(*took) });
        Self {
            total_us: of(*total),
            types_us: of(*types),
            object_us: of(*object),
            verifier_us: of(*verifier),
            attach_us: of(*attach),
            programs: programs.collect(),
        }
    }
}

impl LostEntry {
    fn new(snapshot: &Snapshot) -> Self {
        let lost = |loss: Loss| snapshot.losses[loss as usize];
        Self {
            ring_full: lost(Loss::RingFull),
            recursion: lost(Loss::Recursion),
            late: lost(Loss::Late),
            user_queue: lost(Loss::UserQueue),
            inferred: lost(Loss::Inferred),
        }
    }
}

impl Books {
    /// The books of this moment.
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        Self {
            lost: LostEntry::new(snapshot),
            events: books::events(snapshot),
            lives: LifeBooks::new(&snapshot.lives),
        }
    }

    /// As tables for people.
    pub(super) fn text(&self) -> String {
        text::books(self)
    }
}

impl<'a> DeviceEntry<'a> {
    fn new(device: &'a DeviceFigures) -> Self {
        let sum = |count: fn(&OperationFigures) -> u64| -> u64 {
            device.operations.iter().flatten().map(|figures| count(figures)).sum()
        };
        let mismatches = |severity: Severity| -> u64 {
            let counts = TABLE.iter().zip(device.mismatches);
            counts.filter(|(row, _)| row.severity == severity).map(|(_, count)| count).sum()
        };
        Self {
            name: &device.name,
            number: device.id.to_string(),
            sequence: Some(device.id.sequence).filter(|sequence| *sequence != 0),
            requests: sum(|figures| figures.requests),
            extrapolated: sum(|figures| figures.extrapolated),
            bytes: sum(|figures| figures.bytes),
            merges: sum(|figures| figures.merges),
            errors: sum(|figures| figures.errors.iter().sum()),
            unjudged: sum(|figures| figures.unjudged.iter().sum()),
            in_flight: device.in_flight,
            mismatches: Severities {
                info: mismatches(Severity::Info),
                warning: mismatches(Severity::Warning),
                critical: mismatches(Severity::Critical),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{format, status};
    use crate::export::{golden, query::Format, sample};

    #[test]
    fn both_forms_are_as_in_the_golden_files() {
        for (name, view) in [("status", sample::busy()), ("status_fresh", sample::fresh())] {
            let text = |format| String::from_utf8(status(&view, format).to_vec()).unwrap();
            golden::check(&format!("{name}.json"), &text(Format::Json));
            golden::check(&format!("{name}.txt"), &text(Format::Text));
        }
    }

    #[test]
    fn only_the_format_can_be_chosen() {
        let pairs = [("format".to_owned(), "text".to_owned())];
        assert_eq!(format(&pairs), Ok(Format::Text));
        assert!(format(&[("limit".to_owned(), "1".to_owned())]).is_err());
    }
}
