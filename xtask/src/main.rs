//! Set-up, build, run, test and CI of iotruth: `cargo xtask COMMAND`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod apt;
mod artifact;
mod bench;
mod build;
mod ci;
mod command;
mod docs;
mod fuzz;
mod linker;
mod privilege;
mod purity;
mod run;
mod setup;
mod soak;
mod steps;
mod test;
mod toolchain;
mod vm;
mod workspace;

/// Set-up, build, run, test and CI of iotruth.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Find or install what building the eBPF programs needs.
    Setup,
    /// Build the daemon with its eBPF programs.
    Build(build::Options),
    /// Build the daemon for release and start it, through sudo if need be.
    Run(run::Options),
    /// Run every test: the pure ones, those on this machine's kernel, those in guests.
    Test(test::Options),
    /// Measure what iotruth costs.
    Bench(bench::Options),
    /// What CI runs: format, lints, the purity of the engine, every test, and some fuzzing.
    Ci,
    /// Run the fuzz targets, for a while each.
    Fuzz(fuzz::Options),
    /// Put devices under random load for a long time, and see that everything adds up.
    Soak(soak::Options),
    /// Boot Debian kernels in QEMU and run the guest scenarios in each.
    Vm(vm::Options),
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::command(),
        Task::Build(options) => build::command(&options),
        Task::Run(options) => run::command(&options),
        Task::Test(options) => test::command(&options),
        Task::Bench(options) => bench::command(&options),
        Task::Ci => ci::command(),
        Task::Fuzz(options) => fuzz::command(&options),
        Task::Soak(options) => soak::command(&options),
        Task::Vm(options) => vm::command(&options),
    }
}
