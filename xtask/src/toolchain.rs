//! Rust toolchains that can build for eBPF: they carry the source of `core`, which has to be
//! compiled for that target.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::command;

/// A toolchain that rustup knows and that has the source of `core`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// What rustup calls it.
    pub(crate) name: String,
    /// The version of rustc.
    pub(crate) release: String,
    /// The major version of the LLVM inside: the linker has to understand its bitcode.
    pub(crate) llvm: u32,
}

/// Every usable toolchain, the one to prefer first.
pub(crate) fn usable() -> Result<Vec<Toolchain>> {
    let listed = command::output(Command::new("rustup").args(["toolchain", "list", "-v"]))
        .context("rustup is needed (https://rustup.rs)")?;
    let mut found = Vec::new();
    for (name, path) in parse_list(&listed) {
        // build-std needs the whole library tree, with its own lock file.
        if !path.join("lib/rustlib/src/rust/library/Cargo.lock").is_file() {
            continue;
        }
        // A linked folder whose compiler was removed is still listed.
        if let Some(toolchain) = probe(name, &path) {
            found.push(toolchain);
        }
    }
    found.retain(|toolchain| is_new_enough(&toolchain.release));
    // A nightly is what the eBPF target is made for; the others need to be talked into it.
    found.sort_by_key(|toolchain| !toolchain.name.starts_with("nightly"));
    Ok(found)
}

fn probe(name: &str, path: &Path) -> Option<Toolchain> {
    // Started directly: through `rustup run` it takes five times as long.
    let text = command::output(Command::new(path.join("bin/rustc")).arg("-vV")).ok()?;
    path.join("bin/cargo").is_file().then(|| parse_version(name, &text)).flatten()
}

/// Names and folders out of `rustup toolchain list -v`.
fn parse_list(listed: &str) -> Vec<(&str, PathBuf)> {
    listed
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(' ')?;
            // Marks such as `(active, default)` stand between name and folder.
            let path = rest.get(rest.find('/')?..)?;
            Some((name, PathBuf::from(path.trim())))
        })
        .collect()
}

fn parse_version(name: &str, verbose: &str) -> Option<Toolchain> {
    let field = |key: &str| verbose.lines().find_map(|line| line.strip_prefix(key));
    let llvm = field("LLVM version: ")?.split('.').next()?.parse().ok()?;
    Some(Toolchain { name: name.to_owned(), release: field("release: ")?.to_owned(), llvm })
}

/// The oldest Rust that builds this workspace.
pub(crate) const MINIMUM: &str = env!("CARGO_PKG_RUST_VERSION");

/// Can a release such as `1.97.0-nightly`, or a package version that begins like one, build this?
pub(crate) fn is_new_enough(release: &str) -> bool {
    is_at_least(release, MINIMUM)
}

fn is_at_least(release: &str, minimum: &str) -> bool {
    match (major_minor(release), major_minor(minimum)) {
        (Some(release), Some(minimum)) => release >= minimum,
        (None, _) | (_, None) => false,
    }
}

/// The first two numbers of a version.
pub(crate) fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_names_and_folders_whatever_marks_stand_between() {
        let listed = "stable-x86_64-unknown-linux-gnu (active, default) /home/a b/.rustup/s\n\
                      nightly-x86_64-unknown-linux-gnu /home/a b/.rustup/n\n\
                      debian-web /usr\n";
        let expected = [
            ("stable-x86_64-unknown-linux-gnu", PathBuf::from("/home/a b/.rustup/s")),
            ("nightly-x86_64-unknown-linux-gnu", PathBuf::from("/home/a b/.rustup/n")),
            ("debian-web", PathBuf::from("/usr")),
        ];
        assert_eq!(parse_list(listed), expected);
        assert_eq!(parse_list("no installed toolchains\n"), []);
    }

    #[test]
    fn the_version_tells_release_and_llvm() {
        let text = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nbinary: rustc\n\
                    release: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        let expected = Toolchain {
            name: "nightly".to_owned(),
            release: "1.97.0-nightly".to_owned(),
            llvm: 22,
        };
        assert_eq!(parse_version("nightly", text), Some(expected));
        assert_eq!(parse_version("nightly", "rustc 1.97.0\n"), None);
    }

    #[test]
    fn a_toolchain_older_than_the_workspace_is_no_use() {
        assert!(is_at_least("1.97.0-nightly", "1.95"));
        assert!(is_at_least("1.95.0", "1.95"));
        assert!(!is_at_least("1.85.0", "1.95"));
        assert!(!is_at_least("1.85.0+dfsg3-1~deb12u3", "1.95"));
        assert!(is_at_least("2.0.0", "1.95"));
        assert!(!is_at_least("unknown", "1.95"));
    }
}
