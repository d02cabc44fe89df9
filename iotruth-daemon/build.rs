//! Builds the eBPF programs and puts the object where `src/kernel` includes it from.
//!
//! That takes a toolchain with the source of `core`, and bpf-linker. `cargo xtask setup` finds or
//! installs both; `cargo xtask build` names the toolchain in `IOTRUTH_EBPF_TOOLCHAIN`. Without that
//! variable it is rustup's nightly, the usual one for eBPF.

fn main() {
    println!("cargo::rerun-if-env-changed={}", variable::TOOLCHAIN);
    #[cfg(feature = "kernel")]
    if let Err(error) = ebpf::build() {
        for line in format!("{error:#}").lines().filter(|line| !line.is_empty()) {
            println!("cargo::error={line}");
        }
    }
}

/// Names of variables in the environment.
mod variable {
    /// The rustup toolchain that builds the programs.
    pub(crate) const TOOLCHAIN: &str = "IOTRUTH_EBPF_TOOLCHAIN";
}

#[cfg(feature = "kernel")]
mod ebpf {
    use std::{env, path::PathBuf, process::Command};

    use anyhow::{Context, Result, anyhow, ensure};
    use aya_build::{Package, Toolchain};

    use crate::variable;

    const REMEDY: &str = "run `cargo xtask setup` once, then `cargo xtask build` instead of \
                          `cargo build`; or leave the programs out with --no-default-features";

    pub(crate) fn build() -> Result<()> {
        let named = env::var(variable::TOOLCHAIN).ok();
        let toolchain = named.as_deref().map_or(Toolchain::Nightly, Toolchain::Custom);
        check(named.as_deref().unwrap_or("nightly"))?;
        inner_cargo(named.is_some());
        let daemon = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("not run by cargo")?);
        let root = daemon.parent().context("the daemon is in a workspace")?;
        // Everything that ends up in the object; cargo does not know that the daemon needs it.
        println!("cargo::rerun-if-changed={}", root.join("iotruth-common").display());
        let source = root.join("iotruth-ebpf");
        let source =
            source.to_str().ok_or_else(|| anyhow!("the path {} is not UTF-8", source.display()))?;
        let package = Package { name: "iotruth-ebpf", root_dir: source, ..Package::default() };
        aya_build::build_ebpf([package], toolchain)
            .with_context(|| format!("the eBPF programs do not build: {REMEDY}"))
    }

    /// Says what is missing before cargo says it in fifty lines.
    fn check(toolchain: &str) -> Result<()> {
        let rustc = Command::new("rustup")
            .args(["run", toolchain, "rustc", "--print", "sysroot"])
            .output()
            .with_context(|| format!("rustup is needed to build eBPF: {REMEDY}"))?;
        ensure!(rustc.status.success(), "no toolchain {toolchain} to build eBPF with: {REMEDY}");
        let sysroot = PathBuf::from(String::from_utf8_lossy(&rustc.stdout).trim());
        ensure!(
            sysroot.join("lib/rustlib/src/rust/library/core").is_dir(),
            "toolchain {toolchain} lacks the source of `core` (rust-src): {REMEDY}"
        );
        let linker = Command::new("bpf-linker").arg("--version").output();
        ensure!(
            linker.is_ok_and(|linker| linker.status.success()),
            "bpf-linker is not in PATH: {REMEDY}"
        );
        Ok(())
    }

    /// Tells the cargo inside what aya-build has no argument for.
    fn inner_cargo(stable: bool) {
        // Its progress would come out as warnings of this build.
        // SAFETY: a build script has one thread, and nothing else reads the environment now.
        unsafe { env::set_var("CARGO_TERM_QUIET", "true") };
        if stable {
            // A toolchain that is not a nightly builds `core` only when it is told to.
            // SAFETY: as above.
            unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
        }
    }
}
