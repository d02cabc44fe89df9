//! `cargo xtask bench`: what iotruth costs.

use std::fs::File;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

mod callgrind;
mod engine;
mod figures;
mod fio;
mod http;
mod machine;
mod median;
mod peers;
mod place;
mod process;
mod scale;
mod undo;

pub(crate) use engine::check;

/// What the tests on this kernel lock, too: each would measure the other.
const LOCK: &str = "/tmp/iotruth-tests.lock";

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The engine alone, on streams that are made up: nanoseconds for each event, bytes for each
    /// open request, and instructions for each event against the committed figures.
    Engine(engine::Options),
    /// The daemon beside what else traces block requests, on this kernel.
    Peers(peers::Options),
    /// How the cost grows with the work: the engine alone, what is shown, and the daemon.
    Scale(scale::Options),
}

/// Runs one of the benchmarks.
pub(crate) fn command(options: &Options) -> Result<()> {
    match &options.bench {
        Bench::Engine(options) => engine::command(options),
        Bench::Peers(options) => peers::command(options),
        Bench::Scale(options) => scale::command(options),
    }
}

/// Waits until nobody else traces or puts load on this kernel, for as long as the value lives.
fn only_one() -> Result<File> {
    let lock = File::create(LOCK).with_context(|| format!("cannot write {LOCK}"))?;
    println!("waiting for {LOCK}, which tests on this kernel hold");
    lock.lock()?;
    Ok(lock)
}
