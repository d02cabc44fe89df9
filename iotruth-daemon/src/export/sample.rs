//! A hand-made view in which every field says something, for the tests of the exporters.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use iotruth_common::probe::{INSERT_FLUSH, Probe, Program};

use crate::{
    engine::{
        account::{COLUMNS, Columns},
        device::DeviceId,
        histogram::Histogram,
        inflight::{InFlight, OpenRequest},
        io_error::IoError,
        kind::{KINDS, Kind},
        ledger::{Absent, DeviceAudit, Incomparable},
        mismatch::{Mismatch, Outcome},
        operation::Operation,
        owner::{Owner, Task},
        phase::{PHASES, Phase, Phases},
        snapshot::{
            DeviceFigures, LifeFigures, OperationFigures, ProbeFigures, RingFigures, Snapshot,
        },
        timeline::{Timeline, TimelineEvent},
    },
    view::{
        Anchor, AuditStatus, CostStatus, ProcessStatus, ProgramStatus, ReaderStatus, StartUp,
        Status, View,
    },
};

/// The disk that most of the sample is about.
pub(crate) const NVME: DeviceId = DeviceId { number: 259 << 20, sequence: 9 };
/// A loop device whose name needs escaping in labels.
pub(crate) const ODD: DeviceId = DeviceId { number: 7 << 20 | 3, sequence: 12 };

const SECOND: u64 = 1_000_000_000;

/// A daemon that has seen a bit of everything.
pub(crate) fn busy() -> View {
    let mut devices = BTreeMap::new();
    devices.insert(NVME, nvme());
    devices.insert(ODD, odd());
    let snapshot = Snapshot {
        taken: 4_000 * SECOND,
        complete_until: 4_000 * SECOND - 100_000_000,
        devices,
        gone: Vec::new(),
        mismatches_told: std::array::from_fn(|kind| 2 * kind as u64),
        probes: std::array::from_fn(|probe| {
            let probe = probe as u64;
            ProbeFigures {
                attempts: 1_000 + probe,
                lost: probe,
                received: if probe == 4 { 998 } else { 1_000 },
                passed_over: 5 * probe,
                recursion: probe / 5 * 4,
                second: probe / 5 * 3,
                second_recursion: probe / 5 * 2,
                unseen: probe / 5,
            }
        }),
        rings: vec![
            RingFigures { ring: 0, received: 5_000, lost: 20 },
            RingFigures { ring: 1, received: 1_998, lost: 1 },
        ],
        losses: [21, 2, 3, 4, 5],
        lives: LifeFigures {
            opened: 1_007,
            judged: 900,
            merged: 40,
            unjudged: 30,
            open: 20,
            evicted: 10,
            given_up: 7,
            inferred: 6,
            impossible: 1,
            devices_left_out: 2,
            mismatches_dropped: 3,
            verdicts_dropped: 4,
        },
        mismatches: vec![
            Arc::new(partial()),
            Arc::new(Mismatch { count: 1, ..failed_read() }),
            Arc::new(failed_flush()),
            Arc::new(timeout()),
        ],
        in_flight: Arc::new(in_flight()),
    };
    View {
        snapshot: Arc::new(snapshot),
        status: Arc::new(status(Some("reader 1 has not moved for 2 s".to_owned()))),
        ledger: Arc::new(ledger()),
        anchor: anchor(),
    }
}

/// A read that has hung for minutes, and a flush of the last moment.
fn in_flight() -> InFlight {
    let at = 3_999 * SECOND;
    let read = failed_read();
    let hung = OpenRequest {
        device: NVME,
        device_name: read.device_name.clone(),
        operation: read.operation,
        letters: read.letters.clone(),
        sector: read.sector,
        bytes: read.bytes,
        phase: Phase::Device,
        first: 3_590 * SECOND,
        last: 3_590 * SECOND + 12_345,
        events: 2,
        confirmed: true,
        owner: read.owner,
        request: read.request,
        hardware_queue: read.hardware_queue,
        tag: read.tag,
    };
    let young = OpenRequest {
        operation: Operation::Flush,
        letters: "F".to_owned(),
        sector: None,
        bytes: 0,
        first: at - 1_500,
        last: at - 1_500,
        events: 1,
        confirmed: false,
        owner: Owner::default(),
        tag: -1,
        ..hung.clone()
    };
    InFlight { at, oldest: vec![hung, young], count: 2, unconfirmed: 3, doubtful: 0 }
}

/// A daemon that has just begun: nothing seen, nothing wrong.
pub(crate) fn fresh() -> View {
    View {
        snapshot: Arc::new(Snapshot {
            taken: 3_600 * SECOND,
            complete_until: 3_600 * SECOND,
            ..Snapshot::default()
        }),
        status: Arc::new(Status {
            audits: AuditStatus::default(),
            cost: CostStatus::new(None),
            ..status(None)
        }),
        ledger: Arc::default(),
        anchor: anchor(),
    }
}

/// One device with a residue, one that cannot be compared, one that was never seen.
fn ledger() -> BTreeMap<DeviceId, DeviceAudit> {
    let nvme = DeviceAudit {
        name: "nvme0n1".to_owned(),
        seen: true,
        kernel: Columns([8, 64, 1, 1, 2, 16, 0]),
        ours: Columns([5, 40, 1, 1, 2, 16, 0]),
        residue: [-3, -24, 0, 0, 0, 0, 0],
        open: 17,
        in_flight: 4,
        not_seen: 0,
        not_seen_at_most: Some(1),
        at_rest: false,
        audits: 12,
        coverage: Ok(0.625),
    };
    let odd = DeviceAudit {
        name: "odd\"na\\me".to_owned(),
        residue: [0; COLUMNS],
        not_seen_at_most: None,
        coverage: Err(Absent::Incomparable(Incomparable::StatisticsOff)),
        ..nvme.clone()
    };
    let unseen = DeviceAudit {
        name: "sdz".to_owned(),
        seen: false,
        ours: Columns::default(),
        residue: [-8, -64, -1, -1, -2, -16, 0],
        open: 0,
        in_flight: 2,
        not_seen: 2,
        not_seen_at_most: Some(2),
        at_rest: false,
        coverage: Ok(0.0),
        ..nvme.clone()
    };
    let idle = DeviceAudit {
        kernel: Columns::default(),
        in_flight: 0,
        not_seen: 0,
        not_seen_at_most: Some(0),
        ..unseen.clone()
    };
    let other = |minor: u32| DeviceId { number: 8 << 20 | minor, sequence: 0 };
    [(NVME, nvme), (ODD, odd), (other(16), unseen), (other(32), idle)].into()
}

/// The wall clock read 2026-05-04 10:00:00 when the kernel's clock read one hour.
fn anchor() -> Anchor {
    Anchor {
        monotonic: 3_600 * SECOND,
        wall: UNIX_EPOCH + Duration::from_millis(1_777_888_800_500),
    }
}

fn status(not_ready: Option<String>) -> Status {
    let why = "the kernel does not let its function blk_insert_flush be traced: not permitted";
    Status {
        kernel: "6.1.0-44-amd64".to_owned(),
        attached: UNIX_EPOCH + Duration::new(1_777_888_200, 250_000_000),
        start_up: StartUp {
            total: Duration::from_micros(143_250),
            types: Duration::from_micros(21_125),
            object: Duration::from_millis(50),
            verifier: Duration::from_millis(60),
            attach: Duration::from_micros(1_500),
            programs: vec![
                (Program::only(Probe::Complete).name(), Duration::from_millis(20)),
                (Program::second(Probe::Insert).name(), Duration::from_micros(59_875)),
            ],
        },
        programs: Probe::ALL
            .iter()
            .map(|probe| ProgramStatus {
                probe: *probe,
                function: (*probe == Probe::Start).then_some(INSERT_FLUSH),
                missing: (*probe == Probe::Start).then(|| why.to_owned()),
                second: *probe == Probe::Insert,
            })
            .collect(),
        transport: "ring-buffers",
        transport_reason: Some("rings is set".to_owned()),
        ring_bytes: 8 << 20,
        readers: vec![
            ReaderStatus { rings: 1, lag: Duration::from_millis(12), fill: 0.25 },
            ReaderStatus { rings: 1, lag: Duration::from_millis(2_012), fill: 0.5 },
        ],
        audits: AuditStatus {
            whole: 40,
            unbroken: 30,
            lost_since: false,
            given_up: 2,
            age: Some(Duration::from_millis(3_250)),
        },
        not_ready,
        notes: vec!["without block_io_start, a direct issue has no queue phase".to_owned()],
        limits: Vec::new(),
        process: ProcessStatus {
            cpu: Duration::from_millis(1_234),
            resident_anonymous: 9 << 20,
            resident: 30 << 20,
            open_files: 23,
            start: 1_777_888_199.75,
        },
        cost: CostStatus {
            daemon: 0.025,
            answers: 0.0075,
            programs: 0.0125,
            limit: Some(0.05),
            run_times: std::array::from_fn(|program| Duration::from_millis(100 * program as u64)),
            left_out: std::array::from_fn(|probe| 10 * probe as u64),
            owners: false,
            one_in: 4,
            exceeded: false,
        },
    }
}

fn histogram(durations: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    for duration in durations {
        histogram.record(*duration, 1);
    }
    histogram
}

fn nvme() -> DeviceFigures {
    let mut phases: [Option<Histogram>; PHASES] = Default::default();
    phases[Phase::Queue as usize] = Some(histogram(&[1_024]));
    phases[Phase::Device as usize] = Some(histogram(&[1_024, 1_025]));
    phases[Phase::Total as usize] = Some(histogram(&[2_048, 1_025]));
    let read = OperationFigures {
        requests: 5,
        extrapolated: 3,
        bytes: 5 * 4096,
        merges: 1,
        errors: std::array::from_fn(|error| u64::from(error == IoError::Medium as usize)),
        unjudged: [1, 2, 0],
        phase_unknown: [1, 0, 0, 0, 0],
        phases,
    };
    let mut write = OperationFigures { requests: 1, bytes: 512, ..OperationFigures::default() };
    for phase in Phase::ALL {
        // The last is beyond every bound, and only in +Inf.
        write.phases[phase as usize] = Some(histogram(&[20 * SECOND]));
    }
    let mut operations: [Option<Box<OperationFigures>>; 8] = Default::default();
    operations[Operation::Read as usize] = Some(Box::new(read));
    operations[Operation::Write as usize] = Some(Box::new(write));
    DeviceFigures {
        id: NVME,
        name: "nvme0n1".to_owned(),
        operations,
        requeues: [1, 2, 3, 4, 5],
        mismatches: std::array::from_fn(|kind| kind as u64 % 3),
        in_flight: 2,
        oldest: Some(3_590 * SECOND),
        accounted: Columns([5, 40, 1, 1, 0, 0, 0]),
        doubtful: Columns::default(),
        accounted_last: 3_990 * SECOND,
        unaccounted: 0,
    }
}

fn odd() -> DeviceFigures {
    DeviceFigures {
        id: ODD,
        name: "odd\"na\\me".to_owned(),
        operations: Default::default(),
        requeues: [0; 5],
        mismatches: [0; KINDS],
        in_flight: 0,
        oldest: None,
        accounted: Columns::default(),
        doubtful: Columns::default(),
        accounted_last: 0,
        unaccounted: 0,
    }
}

pub(crate) fn event(time: u64, probe: Probe, state: u8, cpu: u16) -> TimelineEvent {
    TimelineEvent { time, probe, state, cpu, remaining: 4096, completed: 0, status: 0 }
}

/// A medium error of a read by fio; seen three times.
pub(crate) fn failed_read() -> Mismatch {
    let first = 3_700 * SECOND;
    Mismatch {
        id: 7,
        kind: Kind::IoError,
        first: first + 1_216_345,
        last: 3_800 * SECOND,
        count: 3,
        device: NVME,
        device_name: "nvme0n1".to_owned(),
        operation: Operation::Read,
        letters: "RS".to_owned(),
        flags: vec!["read", "sync"],
        sector: Some(123_456),
        bytes: 4096,
        bytes_done: 0,
        asked: (Some(123_456), 4096),
        error: Some((IoError::Medium, 7)),
        owner: Owner {
            task: Some(Task { pid: 4243, tgid: 4242, comm: *b"fio\0\0\0\0\0\0\0\0\0\0\0\0\0" }),
            cgroup: 991,
        },
        outcome: Outcome::Failed(3_800 * SECOND, IoError::Medium),
        request: 0xffff_8881_0a5c_1b00,
        hardware_queue: 2,
        tag: 17,
        timeline: Timeline {
            events: vec![
                event(first, Probe::Insert, 0, 3),
                event(first + 12_345, Probe::Issue, 0, 3),
                TimelineEvent {
                    completed: 4096,
                    status: 7,
                    ..event(first + 1_216_345, Probe::Complete, 2, 1)
                },
            ],
            left_out: 0,
        },
        phases: Phases {
            queue: Some(12_345),
            retry: None,
            device: Some(1_204_000),
            flush: None,
            total: Some(1_216_345),
        },
        waited: None,
    }
}

/// A write that failed with its flush; its owner is unknown.
pub(crate) fn failed_flush() -> Mismatch {
    Mismatch {
        id: 9,
        kind: Kind::FlushFailed,
        first: 3_710 * SECOND,
        last: 3_710 * SECOND,
        count: 1,
        operation: Operation::Flush,
        letters: "F".to_owned(),
        flags: vec!["flush"],
        sector: None,
        bytes: 0,
        asked: (None, 0),
        error: Some((IoError::Io, 10)),
        owner: Owner { task: None, cgroup: 0 },
        outcome: Outcome::Failed(3_710 * SECOND, IoError::Io),
        tag: -1,
        timeline: Timeline::default(),
        phases: Phases::default(),
        ..failed_read()
    }
}

/// A timeout with so many attempts that events were left out of its timeline.
pub(crate) fn timeout() -> Mismatch {
    let first = 3_720 * SECOND;
    let late = first + 60 * SECOND;
    let mut events: Vec<TimelineEvent> = (0..Timeline::FIRST as u64)
        .map(|number| {
            let probe = if number % 2 == 0 { Probe::Issue } else { Probe::Requeue };
            event(first + number * 500, probe, (number % 2) as u8, 0)
        })
        .collect();
    events.push(event(late - 30 * SECOND, Probe::Issue, 0, 1));
    events.push(event(late, Probe::Requeue, 9, 1));
    Mismatch {
        id: 12,
        kind: Kind::RequeueTimeout,
        first: late,
        last: late,
        count: 1,
        operation: Operation::Write,
        letters: "WFS".to_owned(),
        flags: vec!["write", "fua", "sync"],
        bytes: 6145,
        bytes_done: 2047,
        asked: (Some(123_452), 8192),
        error: None,
        outcome: Outcome::Ended(late),
        timeline: Timeline { events, left_out: 41 },
        phases: Phases { total: Some(60 * SECOND), ..Phases::default() },
        ..failed_read()
    }
}

/// A part of a read, which is legal and not in the default list.
pub(crate) fn partial() -> Mismatch {
    Mismatch {
        id: 3,
        kind: Kind::PartialCompletion,
        first: 3_690 * SECOND,
        last: 3_690 * SECOND,
        count: 1,
        device: ODD,
        device_name: "odd\"na\\me".to_owned(),
        bytes: 16_384,
        bytes_done: 6_144,
        asked: (Some(123_456), 16_384),
        error: None,
        outcome: Outcome::Ended(3_690 * SECOND),
        ..failed_read()
    }
}
