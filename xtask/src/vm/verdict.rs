//! What a guest's console says about the scenarios.

use std::time::Duration;

use super::console::{Console, Ending, MARK};

/// What a test writes in front of a figure that is to be seen beside its result.
const NOTE: &str = "IOTRUTH-NOTE ";

/// How one scenario went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All its tests passed.
    Passed {
        /// How long they took.
        time: Duration,
        /// Figures that they measured.
        notes: Vec<String>,
    },
    /// Why it is no success, and what the guest said meanwhile.
    Failed { why: String, said: Vec<String> },
}

/// The release that the guest's kernel says it is.
pub(super) fn release(console: &Console) -> Option<&str> {
    let text = &format!("{MARK}release ");
    console.lines.iter().find_map(|line| line.text.strip_prefix(text))
}

/// Whether a scenario was run at all.
pub(super) fn began(console: &Console, scenario: &str) -> bool {
    let begin = format!("{MARK}begin {scenario}");
    console.lines.iter().any(|line| line.text == begin)
}

/// Judges one scenario.
///
/// It takes both the exit code and the runner's closing line: a runner that found no test at all
/// exits with zero too.
pub(super) fn judge(console: &Console, scenario: &str) -> Verdict {
    let place = |text: String| console.lines.iter().position(|line| line.text.starts_with(&text));
    let Some(begin) = place(format!("{MARK}begin {scenario}")) else {
        let said = console.lines.iter().map(|line| line.text.clone()).collect();
        return Verdict::Failed { why: format!("it never began: {}", cause(console)), said };
    };
    let end = place(format!("{MARK}end {scenario} "));
    let until = end.map_or(console.lines.len(), |end| end + 1);
    let lines = console.lines.get(begin..until).unwrap_or_default();
    let said: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    let exit = said.last().and_then(|line| line.rsplit_once(" exit=")).map(|(_, code)| code);
    let why = match (end.and(exit), passed(&said)) {
        (Some("0"), Some(1..)) => {
            let time = match lines {
                [first, .., last] => last.at.saturating_sub(first.at),
                _ => Duration::ZERO,
            };
            let notes = said.iter().filter_map(|line| line.split_once(NOTE)).map(|(_, note)| note);
            return Verdict::Passed { time, notes: notes.map(str::to_owned).collect() };
        }
        (Some("0"), Some(0) | None) => "no test ran".to_owned(),
        (Some("137" | "143"), _) => "it hung and was killed".to_owned(),
        (Some(code), _) => format!("its tests failed (exit code {code})"),
        (None, _) => cause(console),
    };
    Verdict::Failed { why, said }
}

/// Why a console ends before its time.
fn cause(console: &Console) -> String {
    let panic = console.lines.iter().find(|line| line.text.contains("Kernel panic"));
    match (panic, console.ending) {
        (Some(panic), _) => format!("the kernel crashed: {}", panic.text),
        (None, Ending::TimedOut) => "the guest's time was up".to_owned(),
        (None, Ending::Off) => "the guest went off".to_owned(),
    }
}

/// The number of tests that passed, from the closing line of the test runner.
fn passed(said: &[String]) -> Option<u64> {
    let closing = said.iter().rev().find_map(|line| line.strip_prefix("test result: ok. "))?;
    closing.split_once(" passed")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::console::Line;

    const CLOSING: &str = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured";

    fn console(text: &str, ending: Ending) -> Console {
        let line = |(second, text): (usize, &str)| Line {
            at: Duration::from_secs(second as u64),
            text: text.to_owned(),
        };
        Console { lines: text.lines().enumerate().map(line).collect(), ending }
    }

    fn why(text: &str, ending: Ending) -> String {
        match judge(&console(text, ending), "busy") {
            Verdict::Failed { why, .. } => why,
            Verdict::Passed { .. } => "passed".to_owned(),
        }
    }

    #[test]
    fn exit_code_and_closing_line_together_make_a_pass() {
        let text = format!(
            "IOTRUTH-GUEST begin busy\ntest a ... IOTRUTH-NOTE 7 of 9\n{CLOSING}\n\nIOTRUTH-GUEST end busy exit=0\n"
        );
        let time = Duration::from_secs(4);
        let passed = Verdict::Passed { time, notes: vec!["7 of 9".to_owned()] };
        assert_eq!(judge(&console(&text, Ending::Off), "busy"), passed);
    }

    #[test]
    fn a_run_without_tests_is_no_pass() {
        let none = CLOSING.replace('3', "0");
        let text = format!("IOTRUTH-GUEST begin busy\n{none}\nIOTRUTH-GUEST end busy exit=0");
        assert_eq!(why(&text, Ending::Off), "no test ran");
        let text = "IOTRUTH-GUEST begin busy\nIOTRUTH-GUEST end busy exit=0";
        assert_eq!(why(text, Ending::Off), "no test ran");
    }

    #[test]
    fn every_other_end_says_what_happened() {
        let text = "IOTRUTH-GUEST begin busy\nIOTRUTH-GUEST end busy exit=";
        assert_eq!(why(&format!("{text}101"), Ending::Off), "its tests failed (exit code 101)");
        assert_eq!(why(&format!("{text}137"), Ending::Off), "it hung and was killed");
        let text = format!("IOTRUTH-GUEST begin busy\n{CLOSING}");
        assert_eq!(why(&text, Ending::Off), "the guest went off");
        assert_eq!(why(&text, Ending::TimedOut), "the guest's time was up");
        let text = format!("{text}\n[ 3.1] Kernel panic - not syncing");
        assert!(why(&text, Ending::Off).contains("not syncing"));
        assert!(why("", Ending::Off).contains("never began"));
    }

    #[test]
    fn a_failure_shows_what_was_said_during_it_and_no_more() {
        let text = "before\nIOTRUTH-GUEST begin busy\nwithin\nIOTRUTH-GUEST end busy exit=1\nafter";
        let Verdict::Failed { said, .. } = judge(&console(text, Ending::Off), "busy") else {
            panic!("an exit code of 1 is no pass");
        };
        assert_eq!(said.get(1).map(String::as_str), Some("within"));
        assert_eq!(said.len(), 3);
    }

    #[test]
    fn the_guest_names_its_kernel() {
        let console = console("x\nIOTRUTH-GUEST release 6.1.0-56-amd64", Ending::Off);
        assert_eq!(release(&console), Some("6.1.0-56-amd64"));
    }
}
