//! The results, for docs/reliability.md.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    time::{Duration, SystemTime},
};

use crate::{figures::Figures, mix::Mix};

/// What all phases so far come to.
#[derive(Debug)]
pub(crate) struct Report {
    seed: u64,
    load: Duration,
    mixes: BTreeMap<Mix, (u32, Figures)>,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new(seed: u64, load: Duration) -> Self {
        Self { seed, load, mixes: BTreeMap::new() }
    }

    /// One more phase.
    pub(crate) fn add(&mut self, mix: Mix, figures: Figures) {
        let (phases, sum) = self.mixes.entry(mix).or_default();
        *phases += 1;
        *sum += figures;
    }

    /// All of them together.
    pub(crate) fn sum(&self) -> Figures {
        let mut sum = Figures::default();
        self.mixes.values().for_each(|(_, figures)| sum += *figures);
        sum
    }

    /// A paragraph and a table.
    pub(crate) fn markdown(&self) -> String {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let date = now.split('T').next().unwrap_or_default();
        let daemons: u32 = self.mixes.values().map(|(phases, _)| phases).sum();
        let sum = self.sum();
        let mut text = format!(
            "Linux {}, {date}, seed {}: {} minutes under load, {daemons} daemons, {} requests, {} \
             events. Nothing was shown.\n\n\
             | mix | what it does | daemons | requests | judged | events | refused | skipped | \
             missing | inferred | witnessed | doubtful |\n\
             | --- | --- |{}\n",
            kernel.trim(),
            self.seed,
            self.load.as_secs() / 60,
            grouped(sum.requests),
            grouped(sum.events),
            " --- |".repeat(10)
        );
        for (mix, (phases, figures)) in &self.mixes {
            let Figures {
                requests,
                judged,
                events,
                refused,
                skipped,
                missing,
                inferred,
                witnessed,
                doubtful,
                memory: _,
            } = figures;
            let numbers = [
                requests, judged, events, refused, skipped, missing, inferred, witnessed, doubtful,
            ];
            let numbers = numbers.map(|number| grouped(*number)).join(" | ");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| `{}` | {} | {phases} | {numbers} |", mix.name(), mix.about());
        }
        text
    }
}

/// With a comma before each group of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
