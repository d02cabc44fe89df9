//! `cargo xtask build`: the daemon with its eBPF programs inside.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    artifact, command, setup,
    toolchain::Toolchain,
    workspace::{self, host_triple},
};

/// The variable by which the daemon's build script learns which toolchain builds for eBPF.
pub(crate) const EBPF_TOOLCHAIN: &str = "IOTRUTH_EBPF_TOOLCHAIN";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Build with optimizations.
    #[arg(long)]
    release: bool,
    /// Link libc into the binary, so that it runs on any distribution.
    #[arg(long = "static")]
    fixed: bool,
}

/// Builds, and says where the binary is.
pub(crate) fn command(options: &Options) -> Result<()> {
    let binary = daemon(&setup::ensure()?, options.release, options.fixed)?;
    println!("built {}", binary.display());
    Ok(())
}

/// Builds the daemon and returns the path of the binary.
pub(crate) fn daemon(toolchain: &Toolchain, release: bool, fixed: bool) -> Result<PathBuf> {
    let mut cargo = cargo(toolchain)?;
    cargo.args(["build", "--package", "iotruth-daemon"]);
    let mut folder = workspace::target();
    if fixed {
        folder.push(link_statically(&mut cargo)?);
    }
    if release {
        cargo.arg("--release");
    }
    command::run(&mut cargo).context("the daemon does not build")?;
    Ok(folder.join(if release { "release" } else { "debug" }).join("iotruth"))
}

/// The daemon, and the program of a test target that starts it.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) daemon: PathBuf,
    pub(crate) test: PathBuf,
}

/// Builds a test target of the daemon as all of them are built, optimized and statically linked, and
/// does not run it.
pub(crate) fn programs(toolchain: &Toolchain, test: &str) -> Result<Programs> {
    let mut cargo = cargo(toolchain)?;
    cargo.args(["test", "--no-run", "--package", "iotruth-daemon", "--test", test]);
    cargo.args(["--profile", "checked", "--message-format", "json-render-diagnostics"]);
    link_statically(&mut cargo)?;
    println!("+ {}", command::show(&cargo));
    cargo.stderr(Stdio::inherit());
    let messages = command::output(&mut cargo)?;
    let find = |name: &str| {
        let found = artifact::executable(&messages, name).map(PathBuf::from);
        found.with_context(|| format!("cargo did not say where {name} is"))
    };
    Ok(Programs { daemon: find("iotruth")?, test: find(test)? })
}

/// A cargo that can build the daemon: it finds our tools and knows the eBPF toolchain.
pub(crate) fn cargo(toolchain: &Toolchain) -> Result<Command> {
    let mut cargo = workspace::cargo();
    cargo.env("PATH", workspace::search_path()?);
    cargo.env(EBPF_TOOLCHAIN, &toolchain.name);
    Ok(cargo)
}

/// Makes cargo link libc statically; returns the triple, which is also the folder of the output.
///
/// With a target named, even if it is the machine's own, cargo keeps the flag away from build
/// scripts and procedural macros, which cannot be linked that way.
pub(crate) fn link_statically(cargo: &mut Command) -> Result<String> {
    let triple = host_triple()?;
    cargo.args(["--target", &triple]);
    cargo.env(variable(&triple, "RUSTFLAGS"), "-C target-feature=+crt-static");
    Ok(triple)
}

/// The variable that sets an option of cargo for one target.
pub(crate) fn variable(triple: &str, option: &str) -> String {
    format!("CARGO_TARGET_{}_{option}", triple.to_uppercase().replace(['-', '.'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_target_are_spelled_as_cargo_reads_them() {
        assert_eq!(
            variable("x86_64-unknown-linux-gnu", "RUNNER"),
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"
        );
    }
}
