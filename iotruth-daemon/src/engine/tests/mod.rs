//! The engine on streams of the little block layer.

mod lives;
mod losses;
mod paths;
mod script;
mod statistics;
mod streams;

use super::{
    account::Column,
    histogram::Histogram,
    kind::Kind,
    operation::Operation,
    phase::Phase,
    snapshot::{OperationFigures, Snapshot},
    synthetic::{DISK, Kernel},
};

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 2;
const IOERR: i32 = 10;

fn figures(snapshot: &Snapshot, operation: Operation) -> OperationFigures {
    snapshot.devices[&DISK].operations[operation as usize].as_deref().cloned().unwrap_or_default()
}

fn kinds(snapshot: &Snapshot) -> Vec<Kind> {
    snapshot.mismatches.iter().map(|mismatch| mismatch.kind).collect()
}

/// What must hold of every snapshot.
fn check_books(snapshot: &Snapshot) {
    let lives = &snapshot.lives;
    assert_eq!(
        lives.opened,
        lives.judged + lives.merged + lives.unjudged + lives.open + lives.evicted,
        "{lives:?}"
    );
    assert_eq!(lives.impossible, 0);
    for device in snapshot.devices.values() {
        // A clone that was dropped is no request, and the kernel counts it.
        let requests: u64 = device.operations.iter().flatten().map(|one| one.requests).sum();
        let counted = Column::REQUESTS.map(|(column, _)| device.accounted.get(column));
        assert!(requests <= counted.iter().sum::<u64>() + device.unaccounted);
        for figures in device.operations.iter().flatten() {
            let unjudged: u64 = figures.unjudged.iter().sum();
            let count =
                |phase: Phase| figures.phases[phase as usize].as_ref().map_or(0, Histogram::count);
            let sum =
                |phase: Phase| figures.phases[phase as usize].as_ref().map_or(0, Histogram::sum);
            for phase in [Phase::Queue, Phase::Device, Phase::Total] {
                assert_eq!(
                    figures.requests,
                    count(phase) + figures.phase_unknown[phase as usize] + unjudged
                );
            }
            let parts =
                sum(Phase::Queue) + sum(Phase::Retry) + sum(Phase::Device) + sum(Phase::Flush);
            assert_eq!(parts, sum(Phase::Total));
        }
    }
}

fn snapshot(kernel: &mut Kernel) -> Snapshot {
    kernel.audit();
    let snapshot = kernel.engine.snapshot(kernel.now);
    check_books(&snapshot);
    snapshot
}
