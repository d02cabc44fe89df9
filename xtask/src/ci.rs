//! `cargo xtask ci`: format, lints, the purity of the engine, `cargo xtask test`, and some fuzzing.

use anyhow::{Context, Result};

use crate::{
    apt, bench, build, command, fuzz, purity, setup, soak,
    steps::Step,
    test,
    toolchain::Toolchain,
    workspace::{self, cargo},
};

/// Debian's clippy for a toolchain that is Debian's.
const DEBIAN_CLIPPY: &str = "rust-web-clippy";

/// Runs every step, and says how many seconds each took.
pub(crate) fn command() -> Result<()> {
    let whole = Step::begin("ci");
    let elevation = test::become_able()?;

    let step = Step::begin("format");
    // All members of the workspace, the eBPF crate among them.
    command::run(cargo().args(["fmt", "--all", "--check"]))?;
    // A workspace of its own.
    let fuzz = "iotruth-daemon/fuzz/Cargo.toml";
    command::run(cargo().args(["fmt", "--manifest-path", fuzz, "--check"]))?;
    step.end();

    let step = Step::begin("purity of the engine");
    purity::check(&workspace::root())?;
    step.end();

    let step = Step::begin("toolchain and packages");
    let toolchain = setup::ensure()?;
    test::install_packages()?;
    step.end();

    let step = Step::begin("clippy");
    clippy(&toolchain)?;
    step.end();

    let step = Step::begin("clippy of the eBPF programs");
    clippy_ebpf(&toolchain)?;
    step.end();

    bench::check()?;
    test::everything(&toolchain, elevation)?;
    // Two minutes of what `cargo xtask soak` does for half an hour.
    soak::run(&toolchain, elevation, 2, None, None)?;
    fuzz::smoke()?;
    whole.end();
    Ok(())
}

fn clippy(toolchain: &Toolchain) -> Result<()> {
    let mut everything = build::cargo(toolchain)?;
    everything.args(["clippy", "--package", "iotruth-common", "--package", "iotruth-daemon"]);
    everything.args(["--package", "iotruth-bench", "--package", "xtask"]);
    everything.args(["--all-targets", "--", "-D", "warnings"]);
    command::run(&mut everything)?;
    // Cargo's "all" leaves out what a plain `cargo test` leaves out.
    let mut others = build::cargo(toolchain)?;
    others.args(["clippy", "--package", "iotruth-daemon", "--test", "guest", "--test", "soak"]);
    command::run(others.args(["--", "-D", "warnings"]))?;
    // Without the feature `kernel`, other parts of the daemon are unused or replaced.
    let mut pure = cargo();
    pure.args([
        "clippy",
        "--package",
        "iotruth-daemon",
        "--no-default-features",
        "--lib",
        "--bins",
    ]);
    command::run(pure.args(["--", "-D", "warnings"]))
}

fn clippy_ebpf(toolchain: &Toolchain) -> Result<()> {
    let rustup = || {
        let mut rustup = std::process::Command::new("rustup");
        rustup.current_dir(workspace::root());
        rustup.args(["run", &toolchain.name]);
        rustup
    };
    if !command::succeeds(rustup().args(["cargo-clippy", "--version"])) {
        apt::install(&[DEBIAN_CLIPPY])
            .with_context(|| format!("toolchain {} has no clippy", toolchain.name))?;
    }
    let mut clippy = rustup();
    clippy.args(["cargo", "clippy", "--package", "iotruth-ebpf", "--release"]);
    clippy.args(["--target", "bpfel-unknown-none", "-Z", "build-std=core"]);
    // Its own folder: another compiler's output would make cargo build everything again.
    clippy.arg("--target-dir").arg(workspace::target().join("ebpf-clippy"));
    clippy.env("PATH", workspace::search_path()?);
    // A stable compiler builds `core` only when it is told to; aya's crates ask for the machine
    // that the programs are for.
    clippy.env("RUSTC_BOOTSTRAP", "1").env("AYA_BPF_TARGET_ARCH", std::env::consts::ARCH);
    command::run(clippy.args(["--", "-D", "warnings"]))
}
