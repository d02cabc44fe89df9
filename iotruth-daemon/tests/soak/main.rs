//! A long soak on the real kernel: random mixes of I/O, one daemon after the other, and after each
//! of them everything must add up.
//!
//! No error is provoked, so nothing may be shown. `cargo xtask soak` builds and starts this, as root.
#![expect(clippy::expect_used, reason = "a test says what it expects by failing")]

use std::{
    fs, panic,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;

use self::{
    harness::{turn::turn, witness::Witness},
    report::Report,
};

#[path = "../kernel/harness/mod.rs"]
#[expect(dead_code, reason = "what provokes errors is for the scenarios")]
mod harness;

mod clock;
mod demands;
mod figures;
mod interrupt;
mod mix;
mod options;
mod phase;
mod random;
mod report;
mod schedule;
mod stage;
mod tasks;
mod watch;

/// A long soak on the kernel that runs here.
#[derive(Debug, Parser)]
struct Arguments {
    /// For how many minutes devices are under load; what is checked in between comes on top.
    #[arg(long)]
    minutes: u32,
    /// What the mixes are drawn from.
    #[arg(long)]
    seed: u64,
    /// Where the results are written, as Markdown, if all went well.
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    interrupt::follow_parent();
    // There is nothing to be undone yet.
    let _turn = turn();
    interrupt::heed();
    // Whatever was set up is undone by unwinding.
    match panic::catch_unwind(|| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::asked() => {
            eprintln!("interrupted");
            ExitCode::from(130)
        }
        Err(_) => {
            eprintln!("the soak failed with seed {}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) {
    let Arguments { minutes, seed, report } = arguments;
    let load = Duration::from_mins(u64::from(*minutes));
    let phases = schedule::draw(load, *seed);
    println!("{minutes} min under load, {} daemons, seed {seed}", phases.len());
    let begin = Instant::now();
    let witness = Witness::new();
    let mut results = Report::new(*seed, load);
    for phase in &phases {
        let figures = phase.run(&witness);
        println!("{:>3} {phase}: {figures}", phase.number);
        results.add(phase.mix, figures);
    }
    println!("all {}, in {:.0} s", results.sum(), begin.elapsed().as_secs_f64());
    if let Some(path) = report {
        fs::write(path, results.markdown())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
