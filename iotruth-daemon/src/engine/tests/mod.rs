//! The engine on streams of the little block layer.

mod behind_flushes;
mod devices;
pub(crate) mod examples;
mod lives;
mod losses;
mod outcomes;
mod paths;
mod samples;
mod script;
mod statistics;
mod streams;
mod synthesis;
mod waiting;

use super::{
    account::Column,
    histogram::Histogram,
    kind::Kind,
    operation::Operation,
    phase::Phase,
    snapshot::{OperationFigures, ProbeFigures, Snapshot},
    synthetic::{DISK, Kernel},
};

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 2;
const DISCARD: u32 = 3;
const IOERR: i32 = 10;

fn figures(snapshot: &Snapshot, operation: Operation) -> OperationFigures {
    snapshot.devices[&DISK].operations[operation as usize].as_deref().cloned().unwrap_or_default()
}

fn kinds(snapshot: &Snapshot) -> Vec<Kind> {
    snapshot.mismatches.iter().map(|mismatch| mismatch.kind).collect()
}

/// What must hold of every snapshot.
fn check_books(snapshot: &Snapshot) {
    assert_eq!(imbalance(snapshot), None);
}

/// What in a snapshot contradicts the rest of it.
fn imbalance(snapshot: &Snapshot) -> Option<String> {
    let lives = &snapshot.lives;
    if lives.opened != lives.ended() + lives.open || lives.impossible != 0 {
        return Some(format!("{lives:?}\n"));
    }
    let invented = |one: &&ProbeFigures| one.received + one.lost > one.attempts;
    if let Some(probe) = snapshot.probes.iter().find(invented) {
        return Some(format!("more was received and refused than was tried: {probe:?}\n"));
    }
    if let Some(told) = snapshot.mismatches.iter().find(|told| told.first > told.last) {
        return Some(format!("last seen before it was first seen: {told:?}\n"));
    }
    for device in snapshot.devices.values() {
        // A clone that was dropped is no request, and the kernel counts it.
        let seen = |one: &OperationFigures| one.requests - one.extrapolated;
        let requests: u64 = device.operations.iter().flatten().map(|one| seen(one)).sum();
        let mut counted = device.accounted;
        counted.add_all(&device.doubtful);
        let counted = Column::REQUESTS.map(|(column, _)| counted.get(column));
        if requests > counted.iter().sum::<u64>() + device.unaccounted {
            return Some(format!("more requests than the kernel's statistics have: {device:?}\n"));
        }
        for (figures, operation) in device.operations.iter().zip(Operation::ALL) {
            let Some(figures) = figures else { continue };
            let unjudged: u64 = figures.unjudged.iter().sum();
            let count =
                |phase: Phase| figures.phases[phase as usize].as_ref().map_or(0, Histogram::count);
            let sum =
                |phase: Phase| figures.phases[phase as usize].as_ref().map_or(0, Histogram::sum);
            for phase in [Phase::Queue, Phase::Device, Phase::Total] {
                let judged = count(phase) + figures.phase_unknown[phase as usize];
                if figures.requests != judged + unjudged {
                    return Some(format!("{} {operation:?} {phase:?}: {figures:?}\n", device.id));
                }
            }
            let parts =
                sum(Phase::Queue) + sum(Phase::Retry) + sum(Phase::Device) + sum(Phase::Flush);
            if parts != sum(Phase::Total) {
                return Some(format!("{} {operation:?}: phases do not add up\n", device.id));
            }
        }
    }
    None
}

fn snapshot(kernel: &mut Kernel) -> Snapshot {
    kernel.audit();
    let snapshot = kernel.engine.snapshot(kernel.now);
    check_books(&snapshot);
    snapshot
}
