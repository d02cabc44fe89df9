//! `cargo xtask soak`: random mixes of I/O on this machine's kernel for a long time, and daemon after
//! daemon must account for every request.

use std::{fs, path::Path, process::Command, time::SystemTime};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    build, command,
    docs::{self, Document},
    privilege::Elevation,
    setup,
    steps::Step,
    test,
    toolchain::Toolchain,
    workspace::{self, search_path},
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// For how many minutes devices are under load; what is checked in between comes on top.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Draw the mixes that this seed gives; without it they are others each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Run nothing, and write the results of the last soak into docs/reliability.md.
    #[arg(long, conflicts_with_all = ["minutes", "seed"])]
    write_docs: bool,
}

/// Sets everything up and runs it, or writes down what came of it.
pub(crate) fn command(options: &Options) -> Result<()> {
    let report = workspace::target().join("soak").join("report.md");
    if options.write_docs {
        let text = fs::read_to_string(&report).context("there was no soak that went well")?;
        return docs::write(Document::Reliability, "soak", &text);
    }
    let elevation = test::become_able()?;
    let toolchain = setup::ensure()?;
    test::install_packages()?;
    run(&toolchain, elevation, options.minutes, options.seed, Some(&report))
}

/// Runs it, for so many minutes under load, and writes the results to `report` if all goes well.
pub(crate) fn run(
    toolchain: &Toolchain,
    elevation: Elevation,
    minutes: u32,
    seed: Option<u64>,
    report: Option<&Path>,
) -> Result<()> {
    let step = Step::begin("soak");
    let seed = seed.unwrap_or_else(new_seed);
    let programs = build::programs(toolchain, "soak")?;
    let mut soak = as_root(elevation, &programs.test)?;
    soak.arg(format!("--minutes={minutes}")).arg(format!("--seed={seed}"));
    if let Some(report) = report {
        begin_report(report)?;
        soak.arg("--report").arg(report);
    }
    command::run(&mut soak)
        .with_context(|| format!("repeat it with --minutes {minutes} --seed {seed}"))?;
    step.end();
    Ok(())
}

/// What an earlier soak left must not stand for this one.
fn begin_report(report: &Path) -> Result<()> {
    if report.is_file() {
        fs::remove_file(report)?;
    }
    let folder = report.parent().context("the report lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// sudo sets a PATH of its own, in which our tools are missing.
fn as_root(elevation: Elevation, program: &Path) -> Result<Command> {
    let path = search_path()?.into_string().ok().context("PATH is not UTF-8")?;
    if elevation == Elevation::Root {
        let mut command = Command::new(program);
        command.env("PATH", path);
        return Ok(command);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["--preserve-env", "env", &format!("PATH={path}")]).arg(program);
    Ok(sudo)
}

/// Another one each time.
fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
