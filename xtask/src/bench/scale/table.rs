//! What was measured, as tables.

use anyhow::Result;

use super::{
    Run,
    daemon::{Rate, StartUp},
    printed::Line,
};
use crate::bench::{machine, median::Median};

/// Events a second of the host that all of this is for.
const TARGET: f64 = 15e6;

const MEBIBYTE: f64 = 1_048_576.0;

/// All of it.
pub(super) fn render(run: &Run) -> Result<String> {
    let text = [
        machine::describe()?,
        format!("{} s for each figure. Medians.", run.seconds),
        grown("open requests", "open", &run.engine),
        grown("hardware queues, in 16 rings at most", "queues", &run.engine),
        grown("disks", "devices", &run.engine),
        readers(&run.engine),
        answers(&run.answers),
        starts(&run.starts),
        format!(
            "### With nothing to do\n\n{:.3} % of one CPU, {:.1} MiB of anonymous memory.",
            run.idle.cpu * 100.0,
            run.idle.usage.anonymous as f64 / MEBIBYTE
        ),
        rates(&run.rates),
    ];
    Ok(text.join("\n\n"))
}

fn table(title: &str, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut lines = vec![
        format!("### {title}\n"),
        format!("| {} |", columns.join(" | ")),
        format!("|{}", " --- |".repeat(columns.len())),
    ];
    lines.extend(rows.into_iter().map(|row| format!("| {} |", row.join(" | "))));
    lines.join("\n")
}

/// The engine alone, as one thing grows.
fn grown(title: &str, name: &str, lines: &[Line]) -> String {
    let lines: Vec<_> = lines.iter().filter(|line| line.name == name).collect();
    let smallest = lines.first().map_or(1.0, |line| line.numbers[1]);
    let rows = lines.into_iter().map(|Line { numbers: [size, middle, least], .. }| {
        let ratio = middle / smallest;
        vec![
            format!("{size:.0}"),
            format!("{middle:.1} ns"),
            format!("{least:.1} ns"),
            format!("{ratio:.2}"),
        ]
    });
    table(
        &format!("The engine alone: {title}"),
        &[title, "CPU time for each event", "least", "of the first"],
        rows,
    )
}

/// A host with 64 queues, as far as this machine can tell.
fn readers(lines: &[Line]) -> String {
    let each: Vec<_> =
        lines.iter().filter(|line| line.name == "reader").map(|line| line.numbers[1]).collect();
    let Some(Median { value, .. }) = Median::of(&each) else {
        return "No reader of a host with 64 queues was measured.".to_owned();
    };
    let per_second = 1e9 / value;
    format!(
        "### A host with 64 hardware queues\n\n{} readers at once, as the daemon plans them for 64 \
         CPUs, each with its engine and its share of 256 disks, 64 queues in 16 rings, and 100,000 \
         open requests: {value:.1} ns of CPU time for each event, the median of the readers, or {:.1} \
         million events a second for each. Derived from that, and not measured: {:.2} readers' time for a \
         million requests of two events a second, and {:.0} readers for 15 million events a second, each \
         with a CPU to itself. What is not in it: taking records out of real rings, and more CPUs at \
         the same memory than this machine has.",
        each.len(),
        per_second / 1e6,
        2e6 / per_second,
        (TARGET / per_second).ceil()
    )
}

fn answers(lines: &[Line]) -> String {
    let rows = lines.iter().map(|Line { name, numbers: [bytes, alone, over_http] }| {
        vec![
            format!("`{name}`"),
            format!("{:.1} MB", bytes / 1e6),
            format!("{:.1} ms", alone / 1e3),
            format!("{:.1} ms", over_http / 1e3),
        ]
    });
    let columns = ["answer", "size", "time to make it", "over HTTP, taken whole"];
    let title = "Answers with 256 disks, 5 operations and 3 phases on each, and 4,096 mismatches, of \
                 which 1,000 are asked for";
    table(title, &columns, rows)
}

fn starts(starts: &[StartUp]) -> String {
    let median = |figure: &dyn Fn(&StartUp) -> f64| {
        let figures: Vec<_> = starts.iter().map(figure).collect();
        let value = Median::of(&figures).map_or(f64::NAN, |median| median.value);
        format!("{:.1} ms", value / 1e3)
    };
    let names = [
        "start to attached",
        "of that: reading the kernel's types",
        "the object and its maps",
        "the verifier, all programs at once",
        "attaching",
    ];
    let parts = names
        .iter()
        .enumerate()
        .map(|(place, name)| vec![(*name).to_owned(), median(&|one| one.parts[place])]);
    let programs = starts.first().map_or(&[][..], |one| one.programs.as_slice());
    let programs = programs.iter().enumerate().map(|(place, (name, _))| {
        let took = median(&|one| one.programs.get(place).map_or(f64::NAN, |(_, took)| *took));
        vec![format!("verifier: `{name}`"), took]
    });
    let answered = vec!["process to first answer".to_owned(), median(&|one| one.answered)];
    let rows = std::iter::once(answered).chain(parts).chain(programs);
    table(&format!("{} starts", starts.len()), &["what", "time"], rows)
}

fn rates(rates: &[Rate]) -> String {
    let rows = rates.iter().map(|rate| {
        let cpu = rate.cpu as f64;
        vec![
            format!("{:.0}", rate.reads_per_second * 2.0),
            format!("{:.2} s", cpu / 1e9),
            format!("{:.2} %", cpu / 1e7 / rate.seconds),
            format!("{:.0} ns", cpu / (rate.reads.max(1) * 2) as f64),
            format!("{:.1} MiB", rate.usage.anonymous as f64 / MEBIBYTE),
            rate.lost.to_string(),
        ]
    });
    let columns = [
        "events a second",
        "CPU of the daemon",
        "of one CPU",
        "for each event",
        "anonymous memory",
        "events lost, by its own count",
    ];
    table("The daemon under load; the last is the machine's limit", &columns, rows)
}
