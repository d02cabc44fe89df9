//! Debian's packages: what is there, what can be had, installing it or only unpacking it.
//!
//! Only the sources that the machine's own apt is configured with are used.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    command,
    privilege::Elevation,
    workspace::{self, which},
};

/// Does this machine have apt at all?
pub(crate) fn exists() -> Result<bool> {
    Ok(which("apt-get")?.is_some() && which("dpkg")?.is_some())
}

/// Those of `packages` that are not installed.
pub(crate) fn missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    // dpkg-query fails when it does not know one of the names, and still lists the others.
    let listed = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output()
        .context("cannot start dpkg-query")?;
    let installed = installed(&String::from_utf8_lossy(&listed.stdout));
    Ok(packages.iter().copied().filter(|package| !installed.contains(*package)).collect())
}

fn installed(dpkg_query: &str) -> BTreeSet<String> {
    dpkg_query
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .map(str::to_owned)
        .collect()
}

/// What apt knows of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) installed: Option<String>,
    /// The one that apt would install now; the same where that one is installed.
    pub(crate) offered: Option<String>,
}

pub(crate) fn versions(package: &str) -> Result<Versions> {
    let policy = command::output(Command::new("apt-cache").args(["policy", package]))?;
    Ok(parse_policy(&policy))
}

fn parse_policy(policy: &str) -> Versions {
    let version = |key| {
        let version = policy.lines().find_map(|line| line.trim().strip_prefix(key))?;
        (version != "(none)").then(|| version.to_owned())
    };
    Versions { installed: version("Installed: "), offered: version("Candidate: ") }
}

/// Does apt know a version of this package that it could install?
pub(crate) fn offers(package: &str) -> Result<bool> {
    Ok(versions(package)?.offered.is_some())
}

/// The command that a person would type to install `packages`.
pub(crate) fn advice(packages: &[&str]) -> String {
    format!(
        "sudo apt-get update && sudo apt-get install --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Installs those of `packages` that are missing, in one call, and says so.
///
/// Fails with the command to type where that takes rights that we do not have.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if !exists()? {
        bail!(
            "this machine has no apt; install what Debian calls {} with its own package manager",
            packages.join(", ")
        );
    }
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    refresh_unless_all_offered(&missing)?;
    install_newest(&missing)
}

/// Installs the newest offered version of each of `packages`, also over an older one.
pub(crate) fn install_newest(packages: &[&str]) -> Result<()> {
    let elevation = Elevation::detect()?;
    if elevation.unattended("true").is_none() {
        bail!(
            "these Debian packages are needed, and installing them takes root; run: {}",
            advice(packages)
        );
    }
    println!("installing Debian packages: {}", packages.join(" "));
    // Package lists that are older than the archive name files that are gone by now.
    if install_once(elevation, packages).is_err() {
        refresh()?;
        install_once(elevation, packages)?;
    }
    Ok(())
}

fn install_once(elevation: Elevation, packages: &[&str]) -> Result<()> {
    let mut command = elevation.unattended("env").context("no way to become root")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet"]);
    command.args(["--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]);
    // Hundreds of lines of unpacking would bury ours; they are shown if it fails.
    command::output(command.args(packages)).map(drop)
}

/// Reads the package lists anew if apt does not offer all of `packages` as they are.
pub(crate) fn refresh_unless_all_offered(packages: &[&str]) -> Result<()> {
    for package in packages {
        if !offers(package)? {
            return refresh();
        }
    }
    Ok(())
}

/// Reads the package lists anew, where we may.
pub(crate) fn refresh() -> Result<()> {
    let Some(mut update) = Elevation::detect()?.unattended("apt-get") else { return Ok(()) };
    println!("reading Debian's package lists");
    // One source that cannot be reached is no reason to stop: what matters is whether the packages
    // are on offer afterwards.
    if let Err(error) =
        command::output(update.args(["update", "--quiet", "-o", "DPkg::Lock::Timeout=300"]))
    {
        println!("going on although {error:#}");
    }
    Ok(())
}

/// Downloads a package and unpacks it below `folder` without installing it; needs no root.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<()> {
    if !exists()? {
        bail!("this machine has no apt, and {package} can only be fetched with it");
    }
    refresh_unless_all_offered(&[package])?;
    if !offers(package)? {
        bail!("apt offers no package {package}; run `sudo apt-get update` and try again");
    }
    if download(package, folder, &[]).is_err() {
        refresh()?;
        download(package, folder, &[])?;
    }
    extract(folder)
}

/// Unpacks the one package that was downloaded to `folder`, and removes it.
pub(crate) fn extract(folder: &Path) -> Result<()> {
    let archive = only_archive(folder)?;
    command::output(Command::new("dpkg").arg("-x").arg(&archive).arg(folder))?;
    fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))
}

/// Downloads a package into `folder`, with further options of apt.
pub(crate) fn download(package: &str, folder: &Path, options: &[OsString]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    println!("downloading Debian package {package}");
    // As root, apt would download as a user who may not write below `target`.
    let mut command = Command::new("apt-get");
    command.args(["download", "--quiet", "-o", "APT::Sandbox::User=root"]);
    command.args(options).arg(package);
    command::output(command.current_dir(folder)).map(drop)
}

fn only_archive(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(path);
        }
    }
    bail!("apt-get download left no package in {}", folder.display())
}

/// Puts one program of a package among our tools, without installing the package.
pub(crate) fn tool(package: &str, program: &str) -> Result<PathBuf> {
    let tools = workspace::tools();
    let tool = tools.join("bin").join(program);
    if !tool.is_file() {
        let folder = tools.join("unpacked").join(package);
        unpack(package, &folder)?;
        // Newer releases have no /bin of their own any more.
        let inside = ["usr/bin", "bin"].map(|place| folder.join(place).join(program));
        let inside = inside
            .iter()
            .find(|path| path.is_file())
            .with_context(|| format!("package {package} holds no program {program}"))?;
        fs::create_dir_all(tools.join("bin")).context("cannot create target/tools")?;
        fs::copy(inside, &tool).with_context(|| format!("cannot write {}", tool.display()))?;
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let text =
            "fio installed\nkmod not-installed\nbusybox config-files\nutil-linux installed\n";
        let names: Vec<_> = installed(text).into_iter().collect();
        assert_eq!(names, ["fio", "util-linux"]);
    }

    #[test]
    fn the_installed_version_and_the_offered_one_are_told_apart() {
        let versions = |installed: Option<&str>, offered: Option<&str>| Versions {
            installed: installed.map(str::to_owned),
            offered: offered.map(str::to_owned),
        };
        let older = "kmod:\n  Installed: 29-1\n  Candidate: 30+20221128-1\n";
        assert_eq!(parse_policy(older), versions(Some("29-1"), Some("30+20221128-1")));
        let absent = "kmod:\n  Installed: (none)\n  Candidate: 30-1\n";
        assert_eq!(parse_policy(absent), versions(None, Some("30-1")));
        let gone = "kmod:\n  Installed: (none)\n  Candidate: (none)\n";
        assert_eq!(parse_policy(gone), versions(None, None));
        assert_eq!(parse_policy(""), versions(None, None));
    }
}
