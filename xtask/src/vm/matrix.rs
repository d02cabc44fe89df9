//! The results of one kernel: a line for each scenario.

use super::{
    console::Console,
    scenario::Scenario,
    series::Series,
    verdict::{self, Verdict},
};

/// How many lines of the console a failure shows.
const TAIL: usize = 120;

/// What became of one scenario on one kernel.
#[derive(Debug)]
pub(super) enum Cell {
    /// It was run.
    Run(Verdict),
    /// The kernel lacks a part of it, and which.
    Absent(&'static str),
}

/// One kernel of the matrix.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) series: &'static str,
    /// What `uname -r` says in the guest.
    pub(super) release: String,
    pub(super) cells: Vec<(&'static Scenario, Cell)>,
}

impl Row {
    /// Judges what the guest said.
    pub(super) fn judge(
        series: &'static Series,
        console: &Console,
        scenarios: &[&'static Scenario],
    ) -> Self {
        let cell = |scenario: &Scenario| match scenario.absent(series.name) {
            Some(reason) => Cell::Absent(reason),
            None => Cell::Run(verdict::judge(console, scenario.name)),
        };
        Self {
            series: series.name,
            release: verdict::release(console).unwrap_or("unknown").to_owned(),
            cells: scenarios.iter().map(|scenario| (*scenario, cell(scenario))).collect(),
        }
    }

    /// Takes over what became of scenarios that were run again.
    pub(super) fn replace(&mut self, later: Self) {
        for (scenario, cell) in later.cells {
            if let Some(known) =
                self.cells.iter_mut().find(|(known, _)| known.name == scenario.name)
            {
                known.1 = cell;
            }
        }
    }

    /// How many scenarios failed.
    pub(super) fn failures(&self) -> usize {
        let failed = |cell: &Cell| matches!(cell, Cell::Run(Verdict::Failed { .. }));
        self.cells.iter().filter(|(_, cell)| failed(cell)).count()
    }

    /// Shows its lines, and what the guest said while a scenario failed.
    pub(super) fn print(&self) {
        for (scenario, cell) in &self.cells {
            if let Cell::Run(Verdict::Failed { said, .. }) = cell {
                println!("the guest's console during {}:", scenario.name);
                for line in said.get(said.len().saturating_sub(TAIL)..).unwrap_or_default() {
                    println!("  {line}");
                }
            }
        }
        self.print_lines();
    }

    /// Shows one line for each scenario.
    pub(super) fn print_lines(&self) {
        for (scenario, cell) in &self.cells {
            println!("{}", line(self.series, scenario.name, cell));
        }
    }
}

fn line(series: &str, scenario: &str, cell: &Cell) -> String {
    let start = format!("{series:<5} {scenario:<18}");
    match cell {
        Cell::Run(Verdict::Passed { time, notes }) => {
            let line = format!("{start} ok {:>6.1} s  {}", time.as_secs_f64(), notes.join("; "));
            line.trim_end().to_owned()
        }
        Cell::Run(Verdict::Failed { why, .. }) => format!("{start} FAILED: {why}"),
        Cell::Absent(reason) => format!("{start} absent: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cell, Verdict, line};

    #[test]
    fn a_line_says_all_there_is_to_say() {
        let passed = |notes: &[&str]| {
            let notes = notes.iter().map(|note| (*note).to_owned()).collect();
            Cell::Run(Verdict::Passed { time: Duration::from_millis(3240), notes })
        };
        assert_eq!(line("6.1", "host_busy", &passed(&[])), "6.1   host_busy          ok    3.2 s");
        assert!(line("7.x", "busy", &passed(&["2 of 9"])).ends_with("ok    3.2 s  2 of 9"));
        assert!(line("5.10", "busy", &Cell::Absent("no part")).ends_with(" absent: no part"));
        let failed = Cell::Run(Verdict::Failed { why: "it hung".to_owned(), said: Vec::new() });
        assert!(line("5.10", "busy", &failed).ends_with(" FAILED: it hung"));
    }
}
