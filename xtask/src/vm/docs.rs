//! The generated part of `docs/reliability.md`: which scenario passed on which kernel.

use anyhow::Result;

use super::{
    matrix::{Cell, Row},
    scenario::Scenario,
    verdict::Verdict,
};
use crate::docs::{self, Document};

/// The command whose part of the document this is.
const COMMAND: &str = "vm";

/// Puts the results of a whole run into the document.
pub(super) fn write(rows: &[Row]) -> Result<()> {
    docs::write(Document::Reliability, COMMAND, &render(rows))
}

/// The table, and what was measured or is absent below it.
fn render(rows: &[Row]) -> String {
    let releases: Vec<_> = rows.iter().map(|row| row.release.as_str()).collect();
    let mut lines = vec![
        format!("| scenario | what it does | {} |", releases.join(" | ")),
        format!("| --- | --- |{}", " --- |".repeat(rows.len())),
    ];
    let mut remarks = vec![String::new()];
    for (number, (scenario, _)) in rows.iter().take(1).flat_map(|row| &row.cells).enumerate() {
        let mut line = beginning(scenario);
        for row in rows {
            let Some((_, cell)) = row.cells.get(number) else { continue };
            let (word, remark) = word(cell);
            line.extend([" ", word, " |"]);
            let remark =
                remark.map(|remark| format!("- `{}` on {}: {remark}", scenario.name, row.release));
            remarks.extend(remark);
        }
        lines.push(line);
    }
    if remarks.len() > 1 {
        lines.append(&mut remarks);
    }
    lines.join("\n") + "\n"
}

/// The first two cells of a scenario.
fn beginning(scenario: &Scenario) -> String {
    format!("| `{}` | {} |", scenario.name, scenario.about)
}

/// What stands in a cell, and what is to be said of it below.
fn word(cell: &Cell) -> (&'static str, Option<String>) {
    match cell {
        Cell::Run(Verdict::Passed { notes, .. }) => {
            ("ok", (!notes.is_empty()).then(|| notes.join("; ")))
        }
        Cell::Run(Verdict::Failed { why, .. }) => ("failed", Some(why.clone())),
        Cell::Absent(reason) => ("absent", Some((*reason).to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use anyhow::Result;

    use super::{COMMAND, Cell, Document, Row, Verdict, beginning, docs, render};
    use crate::vm::{scenario::SCENARIOS, series::MATRIX};

    /// A scenario that was added has to be run and written down, one that has gone must not stay.
    #[test]
    fn the_document_has_every_scenario_and_every_kernel() -> Result<()> {
        let table = docs::read(Document::Reliability, COMMAND)?;
        let lines = table.lines().filter(|line| line.starts_with("| `"));
        let documented: BTreeSet<_> = lines
            .clone()
            .map(|line| line.split(" |").take(2).collect::<Vec<_>>().join(" |") + " |")
            .collect();
        let known: BTreeSet<_> = SCENARIOS.iter().map(beginning).collect();
        assert_eq!(documented, known, "run `cargo xtask vm --write-docs`");
        for line in lines {
            let results: Vec<_> =
                line.trim_end_matches('|').split('|').skip(3).map(str::trim).collect();
            assert_eq!(results.len(), MATRIX.len(), "{line}");
            assert!(results.iter().all(|word| ["ok", "absent"].contains(word)), "{line}");
        }
        Ok(())
    }

    #[test]
    fn results_stand_below_the_kernel_that_gave_them() {
        let Some(scenario) = SCENARIOS.first() else { panic!("there are scenarios") };
        let notes = vec!["3 of 7".to_owned()];
        let passed = Cell::Run(Verdict::Passed { time: Duration::ZERO, notes });
        let row = |release: &str, cell| Row {
            series: "6.1",
            release: release.to_owned(),
            cells: vec![(scenario, cell)],
        };
        let text = render(&[row("6.1.0-56", passed), row("7.3.4", Cell::Absent("no part of it"))]);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("| scenario | what it does | 6.1.0-56 | 7.3.4 |"));
        assert_eq!(lines.next(), Some("| --- | --- | --- | --- |"));
        assert_eq!(lines.next(), Some(format!("{} ok | absent |", beginning(scenario)).as_str()));
        let name = scenario.name;
        let remarks: Vec<_> = lines.skip(1).collect();
        let expected = [
            format!("- `{name}` on 6.1.0-56: 3 of 7"),
            format!("- `{name}` on 7.3.4: no part of it"),
        ];
        assert_eq!(remarks, expected);
    }
}
