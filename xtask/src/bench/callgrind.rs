//! Counting instructions: they are the same on a busy machine and on a quiet one.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{command, workspace};

/// The function inside which instructions are counted.
const MEASURED: &str = "*measured*";

/// What was counted of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) instructions: u64,
    /// How many events that were.
    pub(super) events: u64,
    /// What each open life takes up in memory.
    pub(super) bytes: u64,
}

/// Counts the instructions of one case.
pub(super) fn count(binary: &Path, case: &str) -> Result<Counted> {
    let profile = workspace::target().join(format!("callgrind.{case}.out"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet", "--collect-atstart=no"]);
    valgrind.arg(format!("--toggle-collect={MEASURED}"));
    valgrind.arg(format!("--callgrind-out-file={}", profile.display()));
    let said = command::output(valgrind.arg(binary).args(["count", case]))?;
    let profile = fs::read_to_string(&profile)
        .with_context(|| format!("valgrind left no {}", profile.display()))?;
    read(&profile, &said).with_context(|| format!("valgrind did not count {case}"))
}

/// Reads the sum of a profile, and what the program said of itself.
fn read(profile: &str, said: &str) -> Option<Counted> {
    let number = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse::<u64>().ok()
    };
    Some(Counted {
        instructions: number(profile, "summary:")?,
        events: number(said, "events ").filter(|events| *events > 0)?,
        bytes: number(said, "open ")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Counted, read};

    #[test]
    fn the_sum_of_a_profile_is_read() {
        let profile = "# callgrind format\nevents: Ir\nsummary: 5000\n\nfn=(1) a\n16 400\n";
        let counted = Counted { instructions: 5_000, events: 20, bytes: 700 };
        assert_eq!(read(profile, "open 700\nevents 20\n"), Some(counted));
        assert_eq!(read(profile, "open 700\nevents 0\n"), None);
        assert_eq!(read("", "open 700\nevents 20\n"), None);
    }
}
