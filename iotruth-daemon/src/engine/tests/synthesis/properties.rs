//! The properties.

use std::{collections::BTreeMap, fmt::Write};

use proptest::prelude::*;

use super::{
    case::{Case, cases, late_cases},
    expected::{Expected, differences, entries},
    machine::Machine,
    plan::{Fate, Mood},
    trial::{LIVES, prove},
    world::ENOUGH_MARKS,
};
use crate::engine::{
    decode::decode,
    kind::Severity,
    operation::Operation,
    recording::Recording,
    snapshot::{Loss, Snapshot},
    tests::imbalance,
};

/// How many properties are proved here.
const PROPERTIES: u64 = 9;

// CI proves them optimized as well, and then on a million lives at least.
const _: () = assert!(cfg!(debug_assertions) || PROPERTIES * LIVES >= 1_000_000);

fn snapshot(machine: &Machine<'_>) -> Snapshot {
    machine.kernel.engine.snapshot(machine.kernel.now)
}

fn verdict(said: String) -> Result<(), String> {
    if said.is_empty() { Ok(()) } else { Err(said) }
}

/// Everything is told as it happened, once, and nothing else is.
fn exact(machine: &Machine<'_>) -> Result<(), String> {
    let snapshot = snapshot(machine);
    let mut said = imbalance(&snapshot).unwrap_or_default();
    said += &differences(&snapshot, &Expected::of(machine));
    verdict(said)
}

#[test]
fn what_goes_well_is_consistent() {
    prove(cases(Mood::Calm, &[]), |machine| {
        let alarming = entries(&snapshot(machine))
            .into_keys()
            .filter(|entry| entry.0.row().severity > Severity::Info);
        let told: Vec<_> = alarming.collect();
        if !told.is_empty() {
            return Err(format!("nothing went wrong, and this is told: {told:?}"));
        }
        exact(machine)
    });
}

#[test]
fn what_goes_wrong_is_told_once_and_right() {
    prove(cases(Mood::Rough, &[]), exact);
}

/// What is told for more than information and did not happen.
fn invented(snapshot: &Snapshot, expected: &Expected, counted: bool) -> String {
    let mut said = String::new();
    let mut told = BTreeMap::new();
    for entry in &snapshot.mismatches {
        if entry.kind.row().severity == Severity::Info {
            continue;
        }
        // A disk that ended a request before it began one is known by its number.
        let what = (entry.kind, entry.device.number, entry.operation);
        *told.entry(what).or_insert(0) += entry.count;
        let shown = (entry.kind, entry.request);
        let excused = !counted && expected.excused_shows.contains(&shown);
        if !excused && !expected.shows.contains(&shown) {
            let _ = writeln!(said, "never happened to {:#x}: {:?}", entry.request, entry.kind);
        }
    }
    for (what, have) in told {
        let of = |all: &BTreeMap<_, u64>| all.get(&what).copied().unwrap_or(0);
        let most = of(&expected.evidence) + if counted { 0 } else { of(&expected.excused) };
        if have > most {
            let _ = writeln!(said, "told {have} times instead of {most}: {what:?}");
        }
    }
    said
}

/// Books that balance whatever is lost.
fn balanced(machine: &Machine<'_>) -> String {
    let snapshot = &snapshot(machine);
    let mut said = imbalance(snapshot).unwrap_or_default();
    let (unseen, untold) = (snapshot.losses[Loss::Recursion as usize], machine.kernel.untold);
    if unseen != untold {
        let _ = writeln!(said, "{untold} events were told by nobody, and {unseen} are counted");
    }
    for probe in &snapshot.probes {
        if probe.attempts != probe.received + probe.lost {
            let _ = writeln!(said, "attempts are not received + lost: {probe:?}");
        }
    }
    if snapshot.lives.open != 0 {
        let _ = writeln!(said, "lives are open though every address was used again");
    }
    let unknown = snapshot.losses[Loss::UserQueue as usize] + snapshot.losses[Loss::Late as usize];
    if unknown != 0 {
        let _ = writeln!(said, "{unknown} records are said to be lost on our side");
    }
    said
}

#[test]
fn a_counted_loss_invents_nothing() {
    prove(cases(Mood::Rough, &[Fate::Refused, Fate::Skipped]), |machine| {
        let snapshot = snapshot(machine);
        let expected = Expected::of(machine);
        verdict(invented(&snapshot, &expected, true) + &balanced(machine))
    });
}

#[test]
fn what_the_second_program_tells_is_as_good() {
    let cases = cases(Mood::Rough, &[Fate::Caught]).prop_map(|mut case: Case| {
        case.world.marks = Some(ENOUGH_MARKS);
        case
    });
    prove(cases, |machine| {
        let snapshot = snapshot(machine);
        // The same event twice in a row is told once, and the other one is a loss.
        if machine.kernel.untold == 0 {
            return exact(machine);
        }
        verdict(invented(&snapshot, &Expected::of(machine), true) + &balanced(machine))
    });
}

#[test]
fn what_the_second_program_cannot_tell_invents_nothing() {
    let lost = &[Fate::Refused, Fate::Skipped, Fate::Caught, Fate::CaughtLate];
    prove(cases(Mood::Rough, lost), |machine| {
        let snapshot = snapshot(machine);
        verdict(invented(&snapshot, &Expected::of(machine), true) + &balanced(machine))
    });
}

#[test]
fn a_life_with_a_refused_record_is_not_judged() {
    prove(cases(Mood::Rough, &[Fate::Refused]), |machine| {
        let snapshot = snapshot(machine);
        let expected = Expected::of(machine);
        let mut said = invented(&snapshot, &expected, true) + &balanced(machine);
        if snapshot.lives.inferred != 0 {
            let _ =
                writeln!(said, "inferred although all losses are counted: {:?}", snapshot.lives);
        }
        for device in snapshot.devices.values() {
            for (operation, figures) in Operation::ALL.iter().zip(&device.operations) {
                let Some(figures) = figures else { continue };
                let judged = figures.requests - figures.unjudged.iter().sum::<u64>();
                let whole = expected.whole.get(&(device.id, *operation)).copied().unwrap_or(0);
                if judged > whole {
                    let _ =
                        writeln!(said, "{judged} of {whole} judged: {} {operation:?}", device.id);
                }
            }
        }
        verdict(said)
    });
}

#[test]
fn a_loss_that_nobody_counts_invents_nothing() {
    prove(cases(Mood::Rough, &[Fate::Hidden]), |machine| {
        let snapshot = snapshot(machine);
        let expected = Expected::of(machine);
        verdict(invented(&snapshot, &expected, false) + &balanced(machine))
    });
}

#[test]
fn what_began_before_the_programs_invents_nothing() {
    prove(late_cases(Mood::Rough), |machine| {
        let snapshot = snapshot(machine);
        let expected = Expected::of(machine);
        verdict(invented(&snapshot, &expected, true) + &balanced(machine))
    });
}

/// How often each case is judged again without one of its records.
const REMOVALS: usize = 4;

#[test]
fn a_recording_is_judged_as_it_was_and_without_a_record_it_invents_nothing() {
    prove(cases(Mood::Rough, &[]), |machine| {
        let words = machine.kernel.recording();
        let recording = Recording::parse(&words).map_err(|error| error.to_string())?;
        let live = machine.kernel.engine.snapshot(machine.kernel.engine.newest);
        let replayed = recording.replay();
        if replayed != live {
            return Err("the recording is judged in another way than the stream".to_owned());
        }
        let expected = Expected::of(machine);
        let records = recording.records().count();
        let mut said = String::new();
        for removal in 0..REMOVALS {
            // Somewhere in each quarter, and never in the same place of two cases.
            let record = (removal * records + machine.kernel.now as usize % records) / REMOVALS;
            let snapshot = recording.replay_without(record);
            let mut wrong = imbalance(&snapshot).unwrap_or_default();
            wrong += &invented(&snapshot, &expected, true);
            let lost = |of: &Snapshot| -> u64 {
                let tried: u64 = of.probes.iter().map(|probe| probe.attempts).sum();
                tried - of.probes.iter().map(|probe| probe.received + probe.lost).sum::<u64>()
            };
            if lost(&snapshot) != 1 || snapshot.losses[Loss::UserQueue as usize] > 1 {
                let _ = writeln!(wrong, "the loss is not told: {:?}", snapshot.losses);
            }
            if !wrong.is_empty() {
                let (_, bytes) = recording.records().nth(record).unwrap_or_default();
                let left_out = decode(bytes);
                let _ = writeln!(said, "without record {record}, {left_out:?}: {wrong}");
            }
        }
        verdict(said)
    });
}
