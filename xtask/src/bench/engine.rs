//! `cargo xtask bench engine`: the engine alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{
    callgrind,
    figures::{Figure, Figures, Judgement},
};
use crate::{apt, command, steps::Step, workspace};

/// The Debian package that counts instructions.
const PACKAGE: &str = "valgrind";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the figures of this build into the committed file.
    #[arg(long)]
    bless: bool,
    /// Only count instructions and compare them: no times.
    #[arg(long, conflicts_with = "bless")]
    check: bool,
    /// Cases to be timed; without any, all of them.
    #[arg(conflicts_with_all = ["bless", "check"])]
    case: Vec<String>,
}

/// Measures, compares or writes down.
pub(crate) fn command(options: &Options) -> Result<()> {
    let binary = build()?;
    if options.bless {
        let figures = count(&binary)?;
        print!("{figures}");
        let path = committed();
        return fs::write(&path, figures.to_string())
            .with_context(|| format!("cannot write {}", path.display()));
    }
    if !options.check {
        command::run(Command::new(&binary).arg("time").args(&options.case))?;
    }
    if options.case.is_empty() { compare(&binary) } else { Ok(()) }
}

/// What CI runs.
pub(crate) fn check() -> Result<()> {
    let step = Step::begin("instructions of the engine");
    compare(&build()?)?;
    step.end();
    Ok(())
}

/// The committed figures.
fn committed() -> PathBuf {
    workspace::root().join("iotruth-daemon/bench/figures.txt")
}

fn build() -> Result<PathBuf> {
    let mut cargo = workspace::cargo();
    command::run(cargo.args(["build", "--release", "--package", "iotruth-bench"]))?;
    Ok(workspace::target().join("release/engine-bench"))
}

fn compare(binary: &Path) -> Result<()> {
    let path = committed();
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let committed = Figures::parse(&text).with_context(|| format!("in {}", path.display()))?;
    let figures = count(binary)?;
    let Judgement { lines, worse, better } = figures.judge(&committed);
    println!("{}", lines.join("\n"));
    if worse > 0 {
        let compiler = if figures.compiler == committed.compiler {
            String::new()
        } else {
            format!(" (they are of {}, and this is {})", committed.compiler, figures.compiler)
        };
        bail!(
            "{worse} figures of the engine are more than 5 % above the committed ones{compiler}; if \
             that is how it shall be: cargo xtask bench engine --bless"
        );
    }
    if better > 0 {
        println!("keep what was gained: cargo xtask bench engine --bless");
    }
    Ok(())
}

fn count(binary: &Path) -> Result<Figures> {
    apt::install(&[PACKAGE])?;
    let compiler = command::output(Command::new("rustc").arg("--version"))?.trim().to_owned();
    let names = command::output(Command::new(binary).arg("list"))?;
    let cases = names
        .lines()
        .map(|name| {
            let counted = callgrind::count(binary, name)?;
            let instructions = counted.instructions as f64 / counted.events as f64;
            Ok(Figure { name: name.to_owned(), instructions, bytes: counted.bytes })
        })
        .collect::<Result<_>>()?;
    Ok(Figures { compiler, cases })
}
