//! What the guest's console says about the tests.

/// What lines of ours in the console begin with.
pub(super) const MARK: &str = "IOTRUTH-GUEST";

/// How many lines of the console a failure shows.
const TAIL: usize = 60;

/// Everything that the console said.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) lines: Vec<String>,
    pub(super) ending: Ending,
}

/// How the machine came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself.
    Off,
    /// We ran out of patience.
    TimedOut,
}

/// Did the tests run, and did they pass?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed { tests: u64 },
    Failed(String),
}

/// Judges a console.
///
/// It takes both the exit code and the runner's closing line: a runner that found no test at all
/// exits with zero too.
pub(super) fn judge(console: &Console) -> Verdict {
    let exit = console.lines.iter().rev().find_map(|line| {
        line.strip_prefix(MARK)?.trim_start().strip_prefix("exit=").map(str::to_owned)
    });
    let panic = console.lines.iter().find(|line| line.contains("Kernel panic"));
    match (exit.as_deref(), panic, console.ending) {
        (_, Some(panic), _) => Verdict::Failed(format!("its kernel crashed: {panic}")),
        (Some("0"), None, Ending::Off | Ending::TimedOut) => match passed(&console.lines) {
            Some(0) | None => Verdict::Failed("no test ran".to_owned()),
            Some(tests) => Verdict::Passed { tests },
        },
        (Some(code), None, _) => Verdict::Failed(format!("the tests failed (exit code {code})")),
        (None, None, Ending::TimedOut) => {
            Verdict::Failed("it was still running when its time was up".to_owned())
        }
        (None, None, Ending::Off) => {
            Verdict::Failed("it went off without saying how the tests went".to_owned())
        }
    }
}

/// The number of tests that passed, from the closing line of the test runner.
fn passed(lines: &[String]) -> Option<u64> {
    let closing = lines.iter().rev().find_map(|line| line.strip_prefix("test result: ok. "))?;
    closing.split_once(" passed")?.0.parse().ok()
}

/// The last lines of a console.
pub(super) fn tail(lines: &[String]) -> &[String] {
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, ending: Ending) -> Verdict {
        judge(&Console { lines: text.lines().map(str::to_owned).collect(), ending })
    }

    fn why(text: &str, ending: Ending) -> String {
        match judged(text, ending) {
            Verdict::Failed(why) => why,
            Verdict::Passed { tests } => format!("passed {tests}"),
        }
    }

    const CLOSING: &str = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured";

    #[test]
    fn exit_code_and_closing_line_together_make_a_pass() {
        let text = format!("IOTRUTH-GUEST begin\n{CLOSING}\n\nIOTRUTH-GUEST exit=0\n");
        assert_eq!(judged(&text, Ending::Off), Verdict::Passed { tests: 3 });
    }

    #[test]
    fn a_run_without_tests_is_no_pass() {
        let none = CLOSING.replace('3', "0");
        assert_eq!(why(&format!("{none}\nIOTRUTH-GUEST exit=0"), Ending::Off), "no test ran");
        assert_eq!(why("IOTRUTH-GUEST exit=0", Ending::Off), "no test ran");
    }

    #[test]
    fn every_other_end_says_what_happened() {
        let text = format!("{CLOSING}\nIOTRUTH-GUEST exit=101");
        assert_eq!(why(&text, Ending::Off), "the tests failed (exit code 101)");
        assert!(why(CLOSING, Ending::Off).contains("without saying"));
        assert!(why(CLOSING, Ending::TimedOut).contains("time was up"));
        let crash = format!("[ 3.1] Kernel panic - not syncing\n{CLOSING}\nIOTRUTH-GUEST exit=0");
        assert!(why(&crash, Ending::Off).contains("not syncing"));
    }

    #[test]
    fn the_tail_of_a_short_console_is_all_of_it() {
        let lines: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(tail(&lines).len(), TAIL);
        assert_eq!(tail(&lines).last().map(String::as_str), Some("99"));
        assert_eq!(tail(lines.get(..2).unwrap_or_default()).len(), 2);
    }
}
