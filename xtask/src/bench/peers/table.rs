//! What was measured, as tables.

use anyhow::Result;

use super::{
    Absent, Run,
    measure::{MEASURES, Measure, Measured},
    peer::{COUNTING, NONE},
};
use crate::bench::{
    fio::{BURST, PAUSE},
    machine,
    median::Median,
};

/// The peer that is the yardstick: one histogram.
const YARDSTICK: &str = "biolatency";

/// What a figure is held against.
#[derive(Clone, Copy)]
enum Against {
    Ratio,
    Difference,
}

/// All of it.
pub(super) fn render(run: &Run) -> Result<String> {
    let mut text = vec![
        machine::describe()?,
        format!(
            "{} rounds of {} s for each figure. Medians; in brackets the interval that holds the \
             true median with 95 %, by order statistics of the rounds (no assumption on the spread; \
             six rounds or more).",
            run.rounds, run.seconds
        ),
    ];
    for (measure, figures) in MEASURES.iter().zip(&run.figures) {
        let rows = run.peers.iter().zip(figures).map(|(peer, own)| {
            format!("| {} | {} |", peer.name, row(*measure, own, figures, run).join(" | "))
        });
        let columns = columns(*measure);
        let head = [
            format!("### {}", title(*measure)),
            String::new(),
            format!("| tracer | {} |", columns.join(" | ")),
            format!("| --- |{}", " --- |".repeat(columns.len())),
        ];
        text.push(head.into_iter().chain(rows).collect::<Vec<_>>().join("\n"));
    }
    let peers = run.peers.iter().map(|peer| format!("- {}: {}.", peer.name, peer.about));
    let absent = run
        .absent
        .iter()
        .map(|Absent { name, reason }| format!("- {name} does not run here: {reason}."));
    text.push(peers.chain(absent).collect::<Vec<_>>().join("\n"));
    Ok(text.join("\n\n"))
}

fn title(measure: Measure) -> String {
    match measure {
        Measure::FullSpeed => "As many reads as the machine can do".to_owned(),
        Measure::Whole => "As many, and all of them can be seen".to_owned(),
        Measure::Bursts => {
            format!("Bursts of {BURST} reads of each job, with pauses of {} ms", PAUSE.as_millis())
        }
        Measure::DepthOne => "One read at a time".to_owned(),
        Measure::Programs => "Time in the kernel, by `kernel.bpf_stats_enabled`".to_owned(),
    }
}

const fn columns(measure: Measure) -> &'static [&'static str] {
    match measure {
        Measure::FullSpeed => {
            &["reads a second", "of none's", "of biolatency's", "CPU of the tracer for each read"]
        }
        Measure::Bursts => &[
            "reads a second",
            "CPU of the machine for each read",
            "more than none's",
            "more than biolatency's",
        ],
        Measure::DepthOne => {
            &["from one read to the next", "more than none's", "more than biolatency's"]
        }
        Measure::Programs => &[
            "BPF programs for each read",
            "of biolatency's",
            "programs run for each read",
            "less what the counting takes",
            "of biolatency's",
        ],
        Measure::Whole => &[
            "reads missed",
            "events lost, by its own count",
            "CPU of the tracer in all",
            "anonymous memory",
            "resident memory",
            "BPF memory",
        ],
    }
}

fn row(measure: Measure, own: &[Measured], all: &[Vec<Measured>], run: &Run) -> Vec<String> {
    let of = |name: &str| {
        let place = run.peers.iter().position(|peer| peer.name == name)?;
        all.get(place).map(Vec::as_slice)
    };
    let none = of(NONE).unwrap_or_default();
    let yardstick = of(YARDSTICK).unwrap_or_default();
    match measure {
        Measure::FullSpeed => vec![
            show(median(own, |one| one.per_second), 0, ""),
            show(paired(own, none, |one| one.per_second, Against::Ratio), 3, ""),
            show(paired(own, yardstick, |one| one.per_second, Against::Ratio), 3, ""),
            show(median(own, |one| one.tracer), 0, " ns"),
        ],
        Measure::Whole => {
            let sum = |sum: Option<u64>| sum.map_or("-".to_owned(), |sum| sum.to_string());
            let mebibytes = |of: fn(&Measured) -> u64| {
                let all: Vec<_> =
                    own.iter().map(|one| of(one) as f64 / f64::from(1 << 20)).collect();
                show(Median::of(&all), 1, " MiB")
            };
            vec![
                sum(own.iter().map(|one| one.missed).sum()),
                sum(own.iter().map(|one| one.told_lost).sum()),
                show(median(own, |one| one.tracer * one.reads as f64 / 1e9), 2, " s"),
                mebibytes(|one| one.usage.anonymous),
                mebibytes(|one| one.usage.resident),
                mebibytes(|one| one.usage.bpf),
            ]
        }
        Measure::Bursts => vec![
            show(median(own, |one| one.per_second), 0, ""),
            show(median(own, |one| one.machine), 0, " ns"),
            show(paired(own, none, |one| one.machine, Against::Difference), 0, " ns"),
            show(paired(own, yardstick, |one| one.machine, Against::Difference), 0, " ns"),
        ],
        Measure::DepthOne => vec![
            show(median(own, Measured::interval), 0, " ns"),
            show(paired(own, none, Measured::interval, Against::Difference), 0, " ns"),
            show(paired(own, yardstick, Measured::interval, Against::Difference), 0, " ns"),
        ],
        Measure::Programs => {
            if own.iter().all(|one| one.programs <= 0.0) {
                return vec!["-".to_owned(); columns(measure).len()];
            }
            let time = |one: &Measured| one.programs;
            let mut row = vec![
                show(median(own, time), 0, " ns"),
                show(paired(own, yardstick, time, Against::Ratio), 3, ""),
                show(median(own, |one| one.runs), 2, ""),
            ];
            let empty = of(COUNTING).unwrap_or_default();
            let (net, least) = (uncounted(own, empty), uncounted(yardstick, empty));
            row.push(show(Median::of(&net), 0, " ns"));
            row.push(show(Median::of(&ratios(&net, &least)), 3, ""));
            row
        }
    }
}

/// The time of programs less what it takes to count it, which the kernel counts with it: for each
/// run as much as for one of a program that does nothing, of the same round.
fn uncounted(own: &[Measured], empty: &[Measured]) -> Vec<f64> {
    own.iter()
        .zip(empty)
        .map(|(own, empty)| own.programs - own.runs * empty.programs / empty.runs)
        .collect()
}

fn ratios(own: &[f64], other: &[f64]) -> Vec<f64> {
    own.iter().zip(other).map(|(own, other)| own / other).collect()
}

fn median(own: &[Measured], figure: fn(&Measured) -> f64) -> Option<Median> {
    Median::of(&own.iter().map(figure).collect::<Vec<_>>())
}

/// Held against another tracer, round by round.
fn paired(
    own: &[Measured],
    other: &[Measured],
    figure: fn(&Measured) -> f64,
    against: Against,
) -> Option<Median> {
    let pairs = own.iter().zip(other).map(|(own, other)| (figure(own), figure(other)));
    let held = pairs.map(|(own, other)| match against {
        Against::Ratio => own / other,
        Against::Difference => own - other,
    });
    Median::of(&held.collect::<Vec<_>>())
}

fn show(median: Option<Median>, digits: usize, unit: &str) -> String {
    match median {
        None => "-".to_owned(),
        Some(Median { value, interval: None }) => format!("{value:.digits$}{unit}"),
        Some(Median { value, interval: Some((low, high)) }) => {
            format!("{value:.digits$}{unit} [{low:.digits$}, {high:.digits$}]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Measured, Median, show, uncounted};

    #[test]
    fn what_the_counting_takes_is_taken_off_for_each_run() {
        let measured = |programs, runs| Measured { programs, runs, ..Measured::default() };
        let empty = [measured(120.0, 2.0), measured(100.0, 2.0)];
        let own = [measured(330.0, 3.0), measured(300.0, 3.0)];
        assert_eq!(uncounted(&own, &empty), [150.0, 150.0]);
        assert_eq!(uncounted(&empty, &empty), [0.0, 0.0]);
        assert!(uncounted(&own, &[]).is_empty());
    }

    #[test]
    fn an_interval_is_shown_where_there_is_one() {
        let median = |interval| Some(Median { value: 0.9876, interval });
        assert_eq!(show(median(Some((0.9, 1.01))), 3, ""), "0.988 [0.900, 1.010]");
        assert_eq!(show(median(None), 1, " ns"), "1.0 ns");
        assert_eq!(show(None, 1, " ns"), "-");
    }
}
