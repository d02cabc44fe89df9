//! The committed figures of the engine, and what is made of a difference.

use std::fmt;

use anyhow::{Context, Result, bail};

/// What a figure may be above the committed one, in per cent, and what it must be below to be worth
/// writing down.
const TOLERANCE: f64 = 5.0;

/// What one case costs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    /// For each event.
    pub(super) instructions: f64,
    /// For each open life.
    pub(super) bytes: u64,
}

/// What all cases cost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures {
    /// Another compiler makes another number of instructions.
    pub(super) compiler: String,
    pub(super) cases: Vec<Figure>,
}

/// How figures compare with others.
#[derive(Debug)]
pub(super) struct Judgement {
    /// For people.
    pub(super) lines: Vec<String>,
    /// How many are worse than they may be.
    pub(super) worse: usize,
    /// How many are so much better that they should be written down.
    pub(super) better: usize,
}

impl Figures {
    /// Reads what [`fmt::Display`] writes.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut compiler = None;
        let mut cases = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix("compiler ") {
                compiler = Some(name.trim().to_owned());
                continue;
            }
            let mut words = line.split_whitespace();
            let (Some(name), Some(instructions), Some(bytes), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                bail!("not a name and two numbers: {line}");
            };
            let name = name.to_owned();
            let instructions = instructions.parse().with_context(|| line.to_owned())?;
            let bytes = bytes.parse().with_context(|| line.to_owned())?;
            cases.push(Figure { name, instructions, bytes });
        }
        Ok(Self { compiler: compiler.context("no compiler is named")?, cases })
    }

    /// Holds these figures against the committed ones.
    pub(super) fn judge(&self, committed: &Self) -> Judgement {
        let mut judgement = Judgement { lines: Vec::new(), worse: 0, better: 0 };
        for case in &self.cases {
            let Some(before) = committed.cases.iter().find(|before| before.name == case.name)
            else {
                judgement.lines.push(format!("{}: no figures are committed", case.name));
                judgement.worse += 1;
                continue;
            };
            let instructions = ("instructions per event", case.instructions, before.instructions);
            let bytes = ("bytes per open life", case.bytes as f64, before.bytes as f64);
            for (what, now, before) in [instructions, bytes] {
                let change = (now - before) / before * 100.0;
                let word = if change > TOLERANCE {
                    judgement.worse += 1;
                    ", TOO MUCH"
                } else {
                    judgement.better += usize::from(change < -TOLERANCE);
                    ""
                };
                let name = &case.name;
                judgement.lines.push(format!("{name:<14} {now:>8.1} {what}, {change:+.1} %{word}"));
            }
        }
        judgement
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What the engine costs; `cargo xtask bench engine --bless` writes this file."
        )?;
        writeln!(f, "# Of each case: instructions for each event, bytes for each open life.")?;
        writeln!(f, "compiler {}", self.compiler)?;
        for Figure { name, instructions, bytes } in &self.cases {
            writeln!(f, "{name:<14} {instructions:>8.1} {bytes:>6}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::{Figure, Figures};

    fn figures(cases: &[(&str, f64, u64)]) -> Figures {
        let cases = cases.iter().map(|(name, instructions, bytes)| Figure {
            name: (*name).to_owned(),
            instructions: *instructions,
            bytes: *bytes,
        });
        Figures { compiler: "rustc 1.95.0".to_owned(), cases: cases.collect() }
    }

    #[test]
    fn what_is_written_is_read() -> Result<()> {
        let figures = figures(&[("plain", 212.5, 190), ("large", 1_000.0, 200)]);
        assert_eq!(Figures::parse(&figures.to_string())?, figures);
        assert!(Figures::parse("compiler x\nplain 1.0\n").is_err());
        assert!(Figures::parse("plain 1.0 2\n").is_err());
        Ok(())
    }

    #[test]
    fn five_per_cent_more_are_allowed() {
        let committed = figures(&[("plain", 200.0, 200)]);
        let judge = |instructions, bytes| {
            let judgement = figures(&[("plain", instructions, bytes)]).judge(&committed);
            (judgement.worse, judgement.better)
        };
        assert_eq!(judge(209.9, 210), (0, 0));
        assert_eq!(judge(210.1, 211), (2, 0));
        assert_eq!(judge(189.0, 200), (0, 1));
        assert_eq!(judge(400.0, 100), (1, 1));
    }

    #[test]
    fn a_case_without_committed_figures_is_not_passed_over() {
        let judgement = figures(&[("new", 1.0, 1)]).judge(&figures(&[]));
        assert_eq!(judgement.worse, 1);
    }
}
