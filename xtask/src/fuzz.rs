//! `cargo xtask fuzz`: runs the fuzz targets of `iotruth-daemon/fuzz`, for a while each.
//!
//! They are built by a nightly toolchain, with the address sanitizer that it brings along, so no
//! source of the standard library is needed. What a target finds interesting is kept under
//! `target/`, and the next run begins with it; what it should begin with on a new machine is
//! committed, in `seeds`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{command, steps::Step, workspace};

/// The toolchain, as rustup calls it. Sanitizers and coverage are unstable.
const TOOLCHAIN: &str = "nightly";

/// The version of cargo-fuzz that is installed.
const VERSION: &str = "0.13.2";

/// The targets, the quickest first.
const TARGETS: [&str; 4] = ["records", "btf", "recordings", "engine"];

/// Seconds for which CI runs each target.
const SMOKE: u32 = 20;

/// The longest input, in bytes: 256 commands of the engine's script.
const LONGEST: u32 = 4096;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds for which each target runs.
    #[arg(long, default_value_t = SMOKE)]
    seconds: u32,
    /// One target; without it, all of them run.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    target: Option<String>,
}

/// Runs one target, or all of them.
pub(crate) fn command(options: &Options) -> Result<()> {
    install()?;
    match &options.target {
        Some(target) => run(target, options.seconds),
        None => TARGETS.iter().try_for_each(|target| run(target, options.seconds)),
    }
}

/// What CI runs.
pub(crate) fn smoke() -> Result<()> {
    command(&Options { seconds: SMOKE, target: None })
}

/// Installs cargo-fuzz among our tools, unless it is there.
fn install() -> Result<()> {
    let mut rustc = Command::new("rustup");
    rustc.args(["run", TOOLCHAIN, "rustc", "--version"]);
    if !command::succeeds(&mut rustc) {
        bail!(
            "fuzzing needs a nightly toolchain. Run this and try again: \
             rustup toolchain install {TOOLCHAIN} --profile minimal"
        );
    }
    let record = workspace::tools().join(".crates2.json");
    if is_installed(&fs::read_to_string(record).unwrap_or_default()) {
        return Ok(());
    }
    println!("building cargo-fuzz (takes about a minute)");
    let mut cargo = workspace::cargo();
    cargo.args(["install", "cargo-fuzz", "--version", VERSION, "--locked", "--quiet"]);
    command::run(cargo.arg("--root").arg(workspace::tools())).context("cargo-fuzz does not build")
}

/// Does cargo's record of installed programs name it in our version?
fn is_installed(crates2: &str) -> bool {
    crates2.contains(&format!("\"cargo-fuzz {VERSION} "))
}

fn run(target: &str, seconds: u32) -> Result<()> {
    let step = Step::begin(format!("fuzz target {target}"));
    let folder = workspace::root().join("iotruth-daemon").join("fuzz");
    let grown = workspace::target().join("fuzz-corpus").join(target);
    fs::create_dir_all(&grown).with_context(|| format!("cannot make {}", grown.display()))?;
    let mut cargo = Command::new("rustup");
    cargo.current_dir(workspace::root()).env("PATH", workspace::search_path()?);
    // These are of the toolchain that runs us.
    cargo.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTDOC");
    cargo.args(arguments(&folder, &grown, target, seconds));
    command::run(&mut cargo)
        .with_context(|| format!("fuzz target {target} failed; the input is named above"))?;
    step.end();
    Ok(())
}

/// What rustup is told to run.
fn arguments(folder: &Path, grown: &Path, target: &str, seconds: u32) -> Vec<PathBuf> {
    let mut arguments: Vec<PathBuf> =
        ["run", TOOLCHAIN, "cargo", "fuzz", "run", "--fuzz-dir"].map(PathBuf::from).to_vec();
    arguments.push(folder.to_path_buf());
    arguments.extend(["--target-dir".into(), workspace::target().join("fuzz")]);
    // New inputs go into the first of the folders.
    arguments.extend([target.into(), grown.to_path_buf(), folder.join("seeds").join(target)]);
    arguments.extend([
        "--".into(),
        format!("-max_total_time={seconds}").into(),
        format!("-max_len={LONGEST}").into(),
        "-timeout=10".into(),
        "-print_final_stats=1".into(),
        "-verbosity=0".into(),
        "-print_funcs=0".into(),
    ]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_ours() {
        let record = format!(r#"{{"installs":{{"cargo-fuzz {VERSION} (registry)":{{}}}}}}"#);
        assert!(is_installed(&record));
        assert!(!is_installed(&record.replace(VERSION, "0.1.0")));
    }

    #[test]
    fn every_target_has_its_source_and_its_seeds() {
        let folder = workspace::root().join("iotruth-daemon").join("fuzz");
        for target in TARGETS {
            assert!(folder.join("fuzz_targets").join(format!("{target}.rs")).is_file(), "{target}");
            assert!(folder.join("seeds").join(target).is_dir(), "{target}");
        }
    }
}
