//! `cargo xtask setup`: finds or installs what building the eBPF programs needs.
//!
//! That is a toolchain with the source of `core`, and a bpf-linker that understands its bitcode. A
//! rustup nightly with `rust-src` is the usual way. Where rustup cannot have one, Debian's newest
//! Rust does as well: its stable compiler is talked into building `core`.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    apt, command, linker,
    privilege::Elevation,
    steps,
    toolchain::{self, Toolchain},
    workspace,
};

/// What set-up calls Debian's Rust when it makes it known to rustup.
const DEBIAN_TOOLCHAIN: &str = "debian-web";

/// Debian's current Rust, kept up for its browsers; the package `rustc` stays as old as the release.
const DEBIAN_RUST: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// The LLVM of those, for the command that we can only print: once they are installed, we ask them.
const DEBIAN_LLVM: &str = "llvm-22-dev";

/// Prints what is there or what was done.
pub(crate) fn command() -> Result<()> {
    ensure().map(drop)
}

/// Makes sure that eBPF programs can be built, and says with what.
pub(crate) fn ensure() -> Result<Toolchain> {
    if let Some((toolchain, linker)) = ready(&toolchain::usable()?)? {
        println!(
            "eBPF toolchain: {} (rustc {}), {}",
            toolchain.name,
            toolchain.release,
            linker.display()
        );
        return Ok(toolchain);
    }
    let start = steps::Step::begin("setup");
    let toolchain = install()?;
    println!("eBPF toolchain installed: {} (rustc {})", toolchain.name, toolchain.release);
    start.end();
    Ok(toolchain)
}

/// Does the same for a command that a person waits for: if Debian packages are to be installed and
/// sudo asks for a password, it may ask.
pub(crate) fn ensure_attended(elevation: Elevation) -> Result<Toolchain> {
    let toolchains = toolchain::usable()?;
    if elevation == Elevation::SudoAsks && ready(&toolchains)?.is_none() && apt::exists()? {
        let llvms: Vec<u32> = toolchains.iter().map(|toolchain| toolchain.llvm).collect();
        let wanted = wanted(&llvms, |llvm| linker::llvm_prefix(llvm).is_some());
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let missing = apt::missing(&wanted)?;
        if !missing.is_empty() {
            elevation.unlock(&format!(
                "building eBPF programs needs these Debian packages, and installing them takes \
                 root: {}",
                missing.join(" ")
            ))?;
        }
    }
    ensure()
}

/// The packages that [`install`] will probably want, given the LLVMs of the usable toolchains.
///
/// It may turn to others where apt does not offer these, which only apt's answers can tell.
fn wanted(llvms: &[u32], is_here: impl Fn(u32) -> bool) -> Vec<String> {
    match llvms.iter().copied().find(|llvm| linker::knows(*llvm)) {
        Some(llvm) if is_here(llvm) => Vec::new(),
        Some(llvm) => vec![llvm_package(llvm)],
        None => DEBIAN_RUST.iter().chain([&DEBIAN_LLVM]).map(ToString::to_string).collect(),
    }
}

fn ready(toolchains: &[Toolchain]) -> Result<Option<(Toolchain, PathBuf)>> {
    for toolchain in toolchains {
        if let Some(linker) = linker::find(toolchain.llvm)? {
            return Ok(Some((toolchain.clone(), linker)));
        }
    }
    Ok(None)
}

fn install() -> Result<Toolchain> {
    if let Some(toolchain) = build_linker_for_one_of(&toolchain::usable()?)? {
        return Ok(toolchain);
    }
    if !apt::exists()? {
        bail!("{}", by_hand(&toolchain::usable()?));
    }
    // Where it is installed already, making it known to rustup takes no rights at all.
    if !debian_rust_is_installed()? && Elevation::detect()?.unattended("true").is_none() {
        bail!(
            "no Rust toolchain here can build eBPF programs, and installing Debian's takes root. \
             Run this and try again: {}",
            apt::advice(&[&DEBIAN_RUST[..], &[DEBIAN_LLVM]].concat())
        );
    }
    install_debian_rust()?;
    match build_linker_for_one_of(&toolchain::usable()?)? {
        Some(toolchain) => Ok(toolchain),
        None => bail!("{}", by_hand(&toolchain::usable()?)),
    }
}

/// Builds the linker for the first toolchain whose LLVM is here or can be had from apt.
fn build_linker_for_one_of(toolchains: &[Toolchain]) -> Result<Option<Toolchain>> {
    for toolchain in toolchains.iter().filter(|toolchain| linker::knows(toolchain.llvm)) {
        let llvm = toolchain.llvm;
        if linker::llvm_prefix(llvm).is_none() {
            let package = llvm_package(llvm);
            if !apt::exists()? {
                continue;
            }
            apt::refresh_unless_all_offered(&[&package])?;
            if !apt::offers(&package)? {
                println!("toolchain {} needs {package}, which apt does not offer", toolchain.name);
                continue;
            }
            apt::install(&[&package])?;
        }
        let prefix = linker::llvm_prefix(llvm)
            .with_context(|| format!("LLVM {llvm} is installed but its libLLVM.so is not found"))?;
        linker::install(llvm, &prefix)?;
        return Ok(Some(toolchain.clone()));
    }
    Ok(None)
}

/// Is Debian's Rust here, and new enough?
fn debian_rust_is_installed() -> Result<bool> {
    for package in DEBIAN_RUST {
        let installed = apt::versions(package)?.installed;
        if !installed.is_some_and(|version| toolchain::is_new_enough(&version)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Installs Debian's Rust, or brings one that is too old up to date, and makes it known to rustup.
fn install_debian_rust() -> Result<()> {
    if !debian_rust_is_installed()? {
        // Package lists of some months ago offer a compiler of some versions ago.
        apt::refresh()?;
        for package in DEBIAN_RUST {
            match apt::versions(package)?.offered {
                None => bail!("apt offers no package {package}. {}", by_hand(&[])),
                Some(version) if !toolchain::is_new_enough(&version) => bail!(
                    "apt's newest {package} is {version}, and {} is needed. {}",
                    toolchain::MINIMUM,
                    by_hand(&[])
                ),
                Some(_) => (),
            }
        }
        apt::install_newest(&DEBIAN_RUST)?;
    }
    let known = toolchain::usable()?;
    if !known.iter().any(|toolchain| toolchain.name == DEBIAN_TOOLCHAIN) {
        let mut link = Command::new("rustup");
        command::run(link.args(["toolchain", "link", DEBIAN_TOOLCHAIN, "/usr"]))?;
    }
    Ok(())
}

fn llvm_package(llvm: u32) -> String {
    format!("llvm-{llvm}-dev")
}

/// What a person can do where apt is no help.
fn by_hand(toolchains: &[Toolchain]) -> String {
    match toolchains.first() {
        None => "no Rust toolchain here can build eBPF programs. Run this and try again: \
                 rustup toolchain install nightly --component rust-src"
            .to_owned(),
        Some(toolchain) => format!(
            "toolchain {} needs a bpf-linker for LLVM {llvm}. Install the development files of \
             LLVM {llvm} and try again, or put a ready-made bpf-linker into {}: \
             https://github.com/aya-rs/bpf-linker#installation",
            toolchain.name,
            workspace::tools().join("bin").display(),
            llvm = toolchain.llvm,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_the_first_toolchain_that_can_have_a_linker_are_wanted() {
        assert_eq!(wanted(&[22, 21], |_| false), ["llvm-22-dev"]);
        // No linker can be built for this one, so the next one counts.
        assert_eq!(wanted(&[14, 21], |llvm| llvm == 14), ["llvm-21-dev"]);
    }

    #[test]
    fn nothing_is_wanted_where_the_libraries_are_here() {
        assert!(wanted(&[22], |llvm| llvm == 22).is_empty());
    }

    #[test]
    fn without_a_toolchain_debians_is_wanted_with_its_libraries() {
        let all = ["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev"];
        assert_eq!(wanted(&[], |_| true), all);
        assert_eq!(wanted(&[14], |_| true), all);
    }
}
