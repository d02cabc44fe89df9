//! Everything that a guest says, and when.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// What lines of ours in the console begin with.
pub(super) const MARK: &str = "IOTRUTH-GUEST ";

/// One line, and how long after the start of the machine it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: Duration,
    pub(super) text: String,
}

/// Everything that the console said.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) lines: Vec<Line>,
    pub(super) ending: Ending,
}

impl Console {
    /// Reads a console back from its log, which does not say when a line came.
    pub(super) fn read(log: &Path) -> Result<Self> {
        let text = fs::read_to_string(log).with_context(|| format!("reading {}", log.display()))?;
        let line = |text: &str| Line { at: Duration::ZERO, text: text.to_owned() };
        Ok(Self { lines: text.lines().map(line).collect(), ending: Ending::Off })
    }
}

/// How the machine came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself.
    Off,
    /// We ran out of patience.
    TimedOut,
}

/// Takes lines until there are no more or the time is up, and writes them to a log.
pub(super) fn listen(lines: &Receiver<String>, log: &mut File, limit: Duration) -> Result<Console> {
    let begin = Instant::now();
    let mut console = Console { lines: Vec::new(), ending: Ending::Off };
    loop {
        match lines.recv_timeout(limit.saturating_sub(begin.elapsed())) {
            Ok(text) => {
                writeln!(log, "{text}").context("cannot write the console's log")?;
                console.lines.push(Line { at: begin.elapsed(), text });
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(console),
            Err(RecvTimeoutError::Timeout) => {
                console.ending = Ending::TimedOut;
                return Ok(console);
            }
        }
    }
}
