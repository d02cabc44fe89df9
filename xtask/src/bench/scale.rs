//! `cargo xtask bench scale`: how the cost grows with the work.

use std::{num::NonZero, process::Command};

use anyhow::{Result, bail};
use clap::Args;

use self::{
    daemon::{Idle, Rate, StartUp},
    printed::Line,
};
use super::{only_one, place::Place};
use crate::{
    apt, build, command,
    docs::{self, Document},
    privilege, setup,
    steps::Step,
    workspace,
};

mod daemon;
mod printed;
mod table;

/// Debian packages that it needs: the load, the loop device and what it lies on, and kill.
const PACKAGES: [&str; 4] = ["fio", "mount", "procps", "util-linux"];

/// Reads a second that the daemon sees, and last as many as the machine can do. Each is two events.
const RATES: [Option<u32>; 5] = [Some(500), Some(5_000), Some(50_000), Some(100_000), None];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds for each figure; the whole takes about thirty times as long.
    #[arg(long, default_value = "20")]
    seconds: NonZero<u32>,
    /// Write what was measured into docs/performance.md.
    #[arg(long)]
    write_docs: bool,
}

/// Everything that was measured.
#[derive(Debug)]
struct Run {
    seconds: u32,
    engine: Vec<Line>,
    answers: Vec<Line>,
    starts: Vec<StartUp>,
    idle: Idle,
    rates: Vec<Rate>,
}

/// Measures, shows, and writes down if it shall.
pub(crate) fn command(options: &Options) -> Result<()> {
    if !privilege::is_root()? {
        bail!(
            "tracing and loop devices take root: sudo --preserve-env=PATH cargo xtask bench scale"
        );
    }
    let seconds = options.seconds.get();
    let toolchain = setup::ensure()?;
    let binary = build::daemon(&toolchain, true, false)?;
    apt::install(&PACKAGES)?;
    let mut cargo = workspace::cargo();
    command::run(cargo.args(["build", "--release", "--package", "iotruth-bench"]))?;
    // As the daemon itself, which cargo builds along with it and puts in the same place.
    let exporter = || -> Result<Command> {
        let mut cargo = build::cargo(&toolchain)?;
        cargo.args(["bench", "--package", "iotruth-daemon", "--bench", "exporter"]);
        Ok(cargo)
    };
    // Built before anybody waits for us.
    command::run(exporter()?.arg("--no-run"))?;

    let _turn = only_one()?;
    let step = Step::begin("the engine alone, and four of them at once");
    let mut engine = Command::new(workspace::target().join("release/engine-bench"));
    let engine = printed::lines(&command::output(engine.args(["scale", &seconds.to_string()]))?)?;
    step.end();
    let step = Step::begin("answers with 256 devices and a full mismatch log");
    let answers = command::output(exporter()?.args(["--", &seconds.to_string()]))?;
    let answers = printed::lines(&answers)?;
    step.end();
    let step = Step::begin("the daemon: its start, idle, and at one rate after the other");
    let place = Place::new("bench-scale")?;
    let starts = daemon::starts(&binary, &place)?;
    let idle = daemon::idle(&binary, &place, seconds)?;
    let rates = RATES
        .into_iter()
        .map(|rate| daemon::rate(&binary, &place, seconds, rate))
        .collect::<Result<_>>()?;
    place.undo()?;
    step.end();

    let tables = table::render(&Run { seconds, engine, answers, starts, idle, rates })?;
    println!("\n{tables}");
    if options.write_docs {
        docs::write(Document::Performance, "bench scale", &format!("{tables}\n"))?;
    }
    Ok(())
}
