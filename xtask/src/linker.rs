//! bpf-linker: finding it, and building it against the LLVM of a toolchain.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{command, toolchain::major_minor, workspace};

/// The version that set-up installs.
const VERSION: &str = "0.13.0";

/// The LLVMs that this version can be built against.
const KNOWN_LLVMS: [u32; 3] = [21, 22, 23];

/// Can bpf-linker be built for a toolchain with this LLVM?
pub(crate) fn knows(llvm: u32) -> bool {
    KNOWN_LLVMS.contains(&llvm)
}

/// The linker to use with a toolchain of this LLVM, if there is one: ours, or a person's own.
pub(crate) fn find(llvm: u32) -> Result<Option<PathBuf>> {
    let Some(path) = workspace::which("bpf-linker")? else { return Ok(None) };
    // It runs only if the libLLVM that it was built against is still there.
    let Ok(version) = command::output(Command::new(&path).arg("--version")) else {
        return Ok(None);
    };
    let fits = if path.starts_with(workspace::tools()) {
        let record = workspace::tools().join(".crates2.json");
        let record = fs::read_to_string(record).unwrap_or_default();
        built_for(&record, llvm)
    } else {
        // Nothing tells which LLVM a foreign one was built with. Since this version the default is
        // the newest, which reads the bitcode of all older ones.
        is_at_least(&version, VERSION)
    };
    Ok(fits.then_some(path))
}

/// Does cargo's record of installed programs say that bpf-linker was built for this LLVM?
fn built_for(crates2: &str, llvm: u32) -> bool {
    crates2.contains(&format!("\"bpf-linker {VERSION} "))
        && crates2.contains(&format!("\"llvm-{llvm}\""))
}

fn is_at_least(version_line: &str, wanted: &str) -> bool {
    let version = version_line.trim().strip_prefix("bpf-linker ").and_then(major_minor);
    version.is_some() && version >= major_minor(wanted)
}

/// Where LLVM's libraries are installed, if its development files are.
pub(crate) fn llvm_prefix(llvm: u32) -> Option<PathBuf> {
    // Debian and Ubuntu have it here; elsewhere llvm-config knows.
    let debian = PathBuf::from(format!("/usr/lib/llvm-{llvm}"));
    if has_library(&debian) {
        return Some(debian);
    }
    [format!("llvm-config-{llvm}"), "llvm-config".to_owned()].iter().find_map(|llvm_config| {
        let ask = |flag| command::output(Command::new(llvm_config).arg(flag)).ok();
        let (major, _) = major_minor(&ask("--version")?)?;
        let prefix = PathBuf::from(ask("--prefix")?.trim());
        (major == llvm && has_library(&prefix)).then_some(prefix)
    })
}

fn has_library(prefix: &Path) -> bool {
    ["lib", "lib64"].iter().any(|dir| prefix.join(dir).join("libLLVM.so").exists())
}

/// Builds bpf-linker against the LLVM at `prefix` and puts it among our tools.
pub(crate) fn install(llvm: u32, prefix: &Path) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["install", "bpf-linker", "--version", VERSION, "--locked", "--quiet"]);
    cargo.args(["--no-default-features", "--features", &format!("llvm-{llvm}"), "--force"]);
    cargo.arg("--root").arg(workspace::tools());
    cargo.env("LLVM_PREFIX", prefix);
    println!("building bpf-linker against {} (takes about a minute)", prefix.display());
    command::run(&mut cargo).context("bpf-linker could not be built")?;
    if find(llvm)?.is_none() {
        bail!("bpf-linker was built but does not run; is LLVM {llvm} installed completely?");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_built_for_another_llvm_does_not_fit() {
        let record = r#"{"installs":{"bpf-linker 0.13.0 (registry+https://x)":{"version_req":"=0.13.0",
            "bins":["bpf-linker"],"features":["llvm-22"],"no_default_features":true}}}"#;
        assert!(built_for(record, 22));
        assert!(!built_for(record, 21));
        assert!(!built_for(&record.replace("0.13.0 ", "0.9.15 "), 22));
        assert!(!built_for("", 22));
    }

    #[test]
    fn a_foreign_linker_must_not_be_older_than_ours() {
        assert!(is_at_least("bpf-linker 0.13.2\n", "0.13.0"));
        assert!(is_at_least("bpf-linker 1.0.0\n", "0.13.0"));
        assert!(!is_at_least("bpf-linker 0.9.15\n", "0.13.0"));
        assert!(!is_at_least("something else\n", "0.13.0"));
    }
}
