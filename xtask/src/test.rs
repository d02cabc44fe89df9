//! `cargo xtask test`: every test, with all the set-up that they need.
//!
//! Nothing is skipped: where root, BPF or a package is missing, this fails and says so.

use std::ffi::OsString;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    apt, build, command,
    privilege::Elevation,
    setup,
    steps::Step,
    toolchain::Toolchain,
    vm,
    workspace::{self, host_triple, search_path},
};

/// Debian packages that the tests on this machine's kernel use, and what for.
const PACKAGES: [(&str, &str); 5] = [
    ("fio", "load at full speed, with a count of its own"),
    ("e2fsprogs", "ext4 on a loop device, for its journal's flushes"),
    ("mount", "loop devices and what is mounted on them"),
    ("procps", "kill"),
    ("systemd", "systemd-analyze, which judges the unit in deploy/"),
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Arguments for the daemon's test runners, such as a name to filter by; with them, only the
    /// daemon's own tests run.
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// Runs everything.
pub(crate) fn command(options: &Options) -> Result<()> {
    let elevation = become_able()?;
    let toolchain = setup::ensure()?;
    install_packages()?;
    if !options.arguments.is_empty() {
        return on_this_kernel(&toolchain, elevation, &options.arguments);
    }
    everything(&toolchain, elevation)
}

/// Finds out how the tests get root; fails if they cannot.
pub(crate) fn become_able() -> Result<Elevation> {
    let elevation = Elevation::detect()?;
    if elevation == Elevation::Impossible {
        bail!(
            "the tests load eBPF programs and make loop devices: run this as root (there is no sudo \
             here that could help)"
        );
    }
    elevation.unlock("the tests load eBPF programs and make loop devices, which takes root")?;
    Ok(elevation)
}

/// Installs what the tests on this kernel use.
pub(crate) fn install_packages() -> Result<()> {
    apt::install(&PACKAGES.map(|(package, _reason)| package))?;
    // Only unpacked: installing the package would start a Prometheus server on this machine.
    apt::tool("prometheus", "promtool").map(drop)
}

/// All test suites, the quick and pure ones first.
pub(crate) fn everything(toolchain: &Toolchain, elevation: Elevation) -> Result<()> {
    let step = Step::begin("tests of xtask and of what kernel and user space share");
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--package", "xtask", "--package", "iotruth-common", "--all-features"]);
    command::run(cargo.env("PATH", search_path()?))?;
    step.end();

    let step = Step::begin("tests of the engine and of the binary, built without eBPF");
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--package", "iotruth-daemon", "--no-default-features"]);
    // That binary refuses to trace and says why, which is a test of its own.
    cargo.args(["--lib", "--test", "usage"]);
    command::run(&mut cargo)?;
    step.end();

    on_this_kernel(toolchain, elevation, &[])?;
    vm::for_tests(toolchain)
}

/// The daemon's tests, on the kernel that runs here.
///
/// They are built as the guest's are, optimized and statically linked, so that one build serves
/// both; and they run one at a time, because they share the kernel's tracepoints and loop devices.
fn on_this_kernel(
    toolchain: &Toolchain,
    elevation: Elevation,
    arguments: &[OsString],
) -> Result<()> {
    let step = Step::begin("tests of the daemon on this kernel");
    let mut cargo = build::cargo(toolchain)?;
    cargo.args(["test", "--package", "iotruth-daemon", "--profile", "checked"]);
    build::link_statically(&mut cargo)?;
    if elevation != Elevation::Root {
        let path = search_path()?.into_string().ok().context("PATH is not UTF-8")?;
        // sudo sets a PATH of its own, in which our tools are missing.
        let runner = format!("sudo --preserve-env env PATH={path}");
        cargo.env(build::variable(&host_triple()?, "RUNNER"), runner);
    }
    cargo.args(["--", "--test-threads=1"]).args(arguments);
    command::run(&mut cargo)?;
    step.end();
    Ok(())
}
