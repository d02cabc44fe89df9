//! `cargo xtask bench`: what iotruth costs.

use anyhow::Result;
use clap::{Args, Subcommand};

mod callgrind;
mod engine;
mod figures;
mod peers;

pub(crate) use engine::check;

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
}

/// Runs one of the benchmarks.
pub(crate) fn command(options: &Options) -> Result<()> {
    match &options.bench {
        Bench::Engine(options) => engine::command(options),
        Bench::Peers(options) => peers::command(options),
    }
}
