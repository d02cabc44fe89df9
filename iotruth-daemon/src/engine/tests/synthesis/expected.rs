//! What the engine must show in the end, if it sees all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{
    history::{End, History},
    machine::Machine,
    rules::{at_once, classes, error, evidence, excused, extent, phases},
};
use crate::engine::{
    account::Columns,
    device::DeviceId,
    io_error::IoError,
    kind::{Kind, TABLE},
    mismatch::Mismatch,
    operation::Operation,
    phase::Phase,
    snapshot::{DeviceFigures, LifeFigures, OperationFigures, Snapshot, Unjudged},
};

/// An entry of the log: kind, device, operation, sector, bytes and error.
pub(super) type Entry = (Kind, DeviceId, Operation, Option<u64>, u32, Option<(IoError, i32)>);

/// What is to be shown.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) devices: BTreeMap<DeviceId, DeviceFigures>,
    pub(super) lives: LifeFigures,
    /// How often each entry is told.
    pub(super) entries: BTreeMap<Entry, u64>,
    /// How many events show a kind.
    pub(super) evidence: BTreeMap<(Kind, u32, Operation), u64>,
    /// Requests of which some life shows a kind.
    pub(super) shows: BTreeSet<(Kind, u64)>,
    /// The same for what nothing tells from what happened, if records are missing uncounted.
    pub(super) excused: BTreeMap<(Kind, u32, Operation), u64>,
    pub(super) excused_shows: BTreeSet<(Kind, u64)>,
    /// Who asked for what is told.
    pub(super) owners: BTreeMap<Entry, BTreeSet<u32>>,
    /// Lives that were completed, and of which no record is missing, by device and operation.
    pub(super) whole: BTreeMap<(DeviceId, Operation), u64>,
}

impl Expected {
    /// What is to be shown of all that happened.
    pub(super) fn of(machine: &Machine<'_>) -> Self {
        let mut expected = Self::default();
        for (life, end) in &machine.ended {
            expected.add(life, *end);
        }
        expected
    }

    fn add(&mut self, life: &History, end: End) {
        let operation = life.operation();
        let device = self.devices.entry(life.device).or_insert_with(|| nothing(life.device));
        self.lives.opened += 1;
        for (total, more) in device.requeues.iter_mut().zip(classes(life)) {
            *total += more;
        }
        let figures = device.operations[operation as usize].get_or_insert_default();
        match end {
            End::Completed => {}
            End::Merged => {
                self.lives.merged += 1;
                figures.merges += 1;
                device.mismatches[Kind::Merged as usize] += 1;
                let entry = (Kind::Merged, life.device, operation, None, 0, None);
                *self.entries.entry(entry).or_default() += 1;
                self.owners.entry(entry).or_default().insert(life.pid);
                return;
            }
            End::Dropped => {
                self.lives.merged += 1;
                return;
            }
        }
        if !life.lost && !life.flush_lost {
            *self.whole.entry((life.device, operation)).or_default() += 1;
        }
        if life.proved {
            self.lives.judged += 1;
        } else {
            self.lives.unjudged += 1;
        }
        count(figures, life);
        for row in &TABLE {
            let bound = (row.kind, life.device.number, operation);
            let excused = excused(row.kind, life);
            if excused > 0 {
                *self.excused.entry(bound).or_default() += excused;
                self.excused_shows.insert((row.kind, life.request));
            }
            let evidence = evidence(row.kind, life);
            if evidence == 0 {
                continue;
            }
            *self.evidence.entry(bound).or_default() += evidence;
            self.shows.insert((row.kind, life.request));
            if !(life.proved || row.kind.self_evident()) {
                continue;
            }
            let told = if at_once(row.kind) { evidence } else { 1 };
            device.mismatches[row.kind as usize] += told;
            let (sector, bytes) = extent(row.kind, life);
            let error = error(life).filter(|_| !at_once(row.kind));
            let entry = (row.kind, life.device, operation, sector, bytes, error);
            *self.entries.entry(entry).or_default() += told;
            self.owners.entry(entry).or_default().insert(life.pid);
        }
    }
}

fn nothing(id: DeviceId) -> DeviceFigures {
    DeviceFigures {
        id,
        name: "disk".to_owned(),
        operations: Default::default(),
        requeues: Default::default(),
        mismatches: Default::default(),
        in_flight: 0,
        oldest: None,
        accounted: Columns::default(),
        doubtful: Columns::default(),
        accounted_last: 0,
        unaccounted: 0,
    }
}

fn count(figures: &mut OperationFigures, life: &History) {
    figures.requests += 1;
    figures.bytes += u64::from(life.transferred());
    if let Some((error, _)) = error(life) {
        figures.errors[error as usize] += 1;
    }
    if !life.proved {
        figures.unjudged[Unjudged::PreExisting as usize] += 1;
        return;
    }
    let phases = phases(life);
    for phase in Phase::ALL {
        match phases.get(phase) {
            Some(duration) => {
                figures.phases[phase as usize].get_or_insert_default().record(duration, 1);
            }
            None if matches!(phase, Phase::Queue | Phase::Device | Phase::Total) => {
                figures.phase_unknown[phase as usize] += 1;
            }
            None => {}
        }
    }
}

/// The log of a snapshot, entry by entry.
pub(super) fn entries(snapshot: &Snapshot) -> BTreeMap<Entry, u64> {
    let mut entries = BTreeMap::new();
    for told in &snapshot.mismatches {
        *entries.entry(entry(told)).or_default() += told.count;
    }
    entries
}

const fn entry(told: &Mismatch) -> Entry {
    // One entry stands for all of them.
    if matches!(told.kind, Kind::Merged) {
        return (told.kind, told.device, told.operation, None, 0, None);
    }
    (told.kind, told.device, told.operation, told.sector, told.bytes, told.error)
}

/// What differs between what is shown and what is to be shown; nothing if nothing does.
pub(super) fn differences(snapshot: &Snapshot, expected: &Expected) -> String {
    let mut said = String::new();
    if snapshot.lives != expected.lives {
        let _ = writeln!(said, "lives: {:?}\ninstead of {:?}", snapshot.lives, expected.lives);
    }
    let shown = entries(snapshot);
    for entry in shown.keys().chain(expected.entries.keys()).collect::<BTreeSet<_>>() {
        let (have, want) = (shown.get(entry), expected.entries.get(entry));
        if have != want {
            let _ = writeln!(said, "told {have:?} times instead of {want:?}: {entry:?}");
        }
    }
    for told in &snapshot.mismatches {
        let owners = expected.owners.get(&entry(told));
        if let (Some(task), Some(owners)) = (told.owner.task, owners)
            && !owners.contains(&task.pid)
        {
            let _ = writeln!(said, "asked for by {owners:?} and not by {}: {told:?}", task.pid);
        }
    }
    for (id, want) in &expected.devices {
        let Some(have) = snapshot.devices.get(id) else {
            let _ = writeln!(said, "disk {id} is missing");
            continue;
        };
        for operation in Operation::ALL {
            let place = operation as usize;
            if have.operations[place] != want.operations[place] {
                let _ = writeln!(
                    said,
                    "disk {id} {operation:?}:\n{}instead of\n{}",
                    brief(have.operations[place].as_deref()),
                    brief(want.operations[place].as_deref()),
                );
            }
        }
        let rest = |figures: &DeviceFigures| (figures.requeues, figures.mismatches);
        if rest(have) != rest(want) {
            let _ = writeln!(said, "disk {id}: {:?} instead of {:?}", rest(have), rest(want));
        }
    }
    said
}

/// Figures without their buckets.
fn brief(figures: Option<&OperationFigures>) -> String {
    let Some(figures) = figures else { return "  nothing\n".to_owned() };
    let phases: Vec<_> = figures
        .phases
        .iter()
        .map(|phase| phase.as_ref().map(|phase| (phase.count(), phase.sum())))
        .collect();
    format!(
        "  requests {} bytes {} merges {} errors {:?} unjudged {:?} unknown {:?}\n  phases {phases:?}\n",
        figures.requests,
        figures.bytes,
        figures.merges,
        figures.errors,
        figures.unjudged,
        figures.phase_unknown,
    )
}
