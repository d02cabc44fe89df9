//! A view of a large host: every device busy in every way, and a mismatch log that is full.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use iotruth::{
    engine::{
        account::Columns,
        device::DeviceId,
        histogram::Histogram,
        kind::{KINDS, TABLE},
        mismatch::{Mismatch, Outcome},
        operation::Operation,
        owner::{Owner, Task},
        phase::{PHASES, Phase, Phases},
        snapshot::{DeviceFigures, OperationFigures, Snapshot},
        timeline::{Timeline, TimelineEvent},
    },
    view::{Anchor, AuditStatus, CostStatus, ProcessStatus, ProgramStatus, StartUp, Status, View},
};
use iotruth_common::probe::Probe;

/// Disks of the host.
const DEVICES: u32 = 256;

/// What is done on each of them.
const OPERATIONS: [Operation; 5] = [
    Operation::Read,
    Operation::Write,
    Operation::Flush,
    Operation::Discard,
    Operation::WriteZeroes,
];

/// Phases that each operation has samples of.
const MEASURED: [Phase; 3] = [Phase::Queue, Phase::Device, Phase::Total];

/// Entries of the mismatch log: as many as the engine keeps.
const MISMATCHES: u64 = 4_096;

const SECOND: u64 = 1_000_000_000;

pub(crate) fn view() -> View {
    let ids = (0..DEVICES)
        .map(|number| DeviceId { number: 259 << 20 | number, sequence: u64::from(number) + 1 });
    let snapshot = Snapshot {
        taken: 100_000 * SECOND,
        devices: ids.map(|id| (id, device(id))).collect(),
        mismatches: (0..MISMATCHES).map(|number| Arc::new(mismatch(number))).collect(),
        ..Snapshot::default()
    };
    View {
        snapshot: Arc::new(snapshot),
        status: Arc::new(status()),
        ledger: Arc::default(),
        anchor: Anchor { monotonic: 0, wall: UNIX_EPOCH + Duration::from_hours(490_000) },
    }
}

fn name(number: u32) -> String {
    format!("nvme{}n1", number & 0xfffff)
}

fn device(id: DeviceId) -> DeviceFigures {
    let mut operations: [Option<Box<OperationFigures>>; 8] = Default::default();
    for operation in OPERATIONS {
        if let Some(place) = operations.get_mut(operation as usize) {
            *place = Some(Box::new(figures(u64::from(id.number))));
        }
    }
    DeviceFigures {
        id,
        name: name(id.number),
        operations,
        requeues: [7; 5],
        mismatches: [3; KINDS],
        in_flight: 31,
        oldest: Some(99_999 * SECOND),
        accounted: Columns::default(),
        doubtful: Columns::default(),
        accounted_last: 0,
        unaccounted: 0,
    }
}

fn figures(seed: u64) -> OperationFigures {
    let mut phases: [Option<Histogram>; PHASES] = Default::default();
    for phase in MEASURED {
        let mut histogram = Histogram::default();
        // From a microsecond to ten seconds, so that every bucket has some.
        for step in 0..400_u64 {
            histogram.record((1_000 + seed * 13) << (step % 24) | step, 1);
        }
        if let Some(place) = phases.get_mut(phase as usize) {
            *place = Some(histogram);
        }
    }
    OperationFigures {
        extrapolated: 0,
        requests: 123_456_789_012 + seed,
        bytes: 505_678_901_234_567,
        merges: 1_234,
        errors: [5; 12],
        unjudged: [1, 2, 3],
        phase_unknown: [7; PHASES],
        phases,
    }
}

/// One whose timeline is full.
fn mismatch(number: u64) -> Mismatch {
    let first = 90_000 * SECOND + number * 1_000_000;
    let event = |place: u64| TimelineEvent {
        time: first + place * 10_000,
        probe: if place.is_multiple_of(2) { Probe::Issue } else { Probe::Requeue },
        state: 0,
        cpu: (place % 64) as u16,
        remaining: 131_072,
        completed: 0,
        status: 0,
    };
    let device = (number % u64::from(DEVICES)) as u32;
    let kinds = TABLE.iter().map(|row| row.kind).collect::<Vec<_>>();
    Mismatch {
        id: number,
        kind: kinds[number as usize % kinds.len()],
        first,
        last: first + SECOND,
        count: 3,
        device: DeviceId { number: 259 << 20 | device, sequence: u64::from(device) + 1 },
        device_name: name(device),
        operation: Operation::Write,
        letters: "WFS".to_owned(),
        flags: vec!["write", "fua", "sync"],
        sector: Some(123_456_789),
        bytes: 131_072,
        bytes_done: 4_096,
        asked: (Some(123_456_781), 135_168),
        error: None,
        owner: Owner {
            task: Some(Task { pid: 4_243, tgid: 4_242, comm: *b"postgres\0\0\0\0\0\0\0\0" }),
            cgroup: 991,
        },
        outcome: Outcome::Open,
        request: 0xffff_8881_0a5c_1b00 + number * 448,
        hardware_queue: 17,
        tag: 63,
        timeline: Timeline {
            events: (0..(Timeline::FIRST + Timeline::LAST) as u64).map(event).collect(),
            left_out: 12,
        },
        phases: Phases {
            queue: Some(12_345),
            retry: Some(310_000),
            device: Some(1_204_000),
            flush: None,
            total: Some(1_526_345),
        },
        waited: None,
    }
}

fn status() -> Status {
    Status {
        kernel: "6.18.0".to_owned(),
        attached: UNIX_EPOCH,
        start_up: StartUp::default(),
        programs: Probe::ALL
            .iter()
            .map(|probe| ProgramStatus {
                probe: *probe,
                function: None,
                missing: None,
                second: true,
            })
            .collect(),
        transport: "per-cpu",
        transport_reason: None,
        ring_bytes: 2 << 20,
        readers: Vec::new(),
        audits: AuditStatus::default(),
        not_ready: None,
        notes: Vec::new(),
        limits: Vec::new(),
        process: ProcessStatus::default(),
        cost: CostStatus::new(None),
    }
}
