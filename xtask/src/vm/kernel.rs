//! A Debian kernel, unpacked but not installed.

use std::{
    cmp::Ordering,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{archive::Suites, series::Choice};
use crate::{command, workspace};

/// A kernel image and its modules.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    /// `lib/modules/RELEASE`, with the lists that depmod makes.
    pub(super) modules: PathBuf,
}

/// Fetches the newest kernel of a series that Debian offers, or takes the one fetched before.
///
/// Without `target/vm` that is the newest one again.
pub(super) fn fetch(choice: &Choice, folder: &Path) -> Result<Kernel> {
    let unpacked = folder.join("kernel");
    // Written last: a fetch that was cut short is begun anew.
    let complete = folder.join("package");
    if !complete.is_file() {
        if unpacked.exists() {
            fs::remove_dir_all(&unpacked).context("cannot remove a half unpacked kernel")?;
        }
        let suites = Suites::open(&workspace::target().join("vm/apt"))?;
        let pattern = format!("^linux-image-{}", choice.version.replace('.', "\\."));
        let listed = suites.search(&pattern)?;
        let package = newest(&listed, &choice.version).with_context(|| {
            let (version, suite) = (&choice.version, choice.series.suite);
            format!("Debian's suite {suite} offers no package linux-image-{version}*-amd64")
        })?;
        for part in parts(package, &suites.show(package)?) {
            suites.unpack(part, &unpacked)?;
        }
        depmod(&unpacked)?;
        fs::write(&complete, package).context("cannot write below target/vm")?;
    }
    locate(&unpacked)
}

/// The newest plain kernel of a series in what `apt-cache search` lists.
fn newest<'a>(listed: &'a str, series: &str) -> Option<&'a str> {
    listed
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter_map(|package| Some((version(package, series)?, package)))
        .max_by(|(left, _), (right, _)| natural_order(left, right))
        .map(|(_version, package)| package)
}

/// The packages that a kernel is in: since 7.3 the one with its name only depends on the others.
fn parts<'a>(package: &'a str, shown: &'a str) -> Vec<&'a str> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    let names = depends.split(", ").filter_map(|dependency| dependency.split(' ').next());
    let others = ["linux-base-", "linux-binary-", "linux-modules-"];
    let others = names.filter(|name| others.iter().any(|other| name.starts_with(other)));
    std::iter::once(package).chain(others).collect()
}

/// The version in the name of a plain kernel of this series; none for clouds, real time, debug
/// symbols and the packages that only name the newest one.
fn version<'a>(package: &'a str, series: &str) -> Option<&'a str> {
    let name = package.strip_prefix("linux-image-")?;
    let name = name.strip_suffix("-unsigned").unwrap_or(name);
    let version = name.strip_suffix("-amd64")?;
    let behind = version.strip_prefix(series)?;
    let special = ["-cloud", "-rt"].iter().any(|flavor| behind.ends_with(flavor));
    (behind.starts_with('.') && !special).then_some(version)
}

/// Compares versions number by number, so that 6.12.9 comes before 6.12.117.
fn natural_order(left: &str, right: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    numbers(left).cmp(&numbers(right))
}

/// Debian's packages leave the list of dependencies to be made at installation.
fn depmod(unpacked: &Path) -> Result<()> {
    let kernel = locate(unpacked)?;
    let release = kernel.modules.file_name().context("a kernel without a release")?;
    // depmod looks for lib/modules below its base, which newer packages have in usr.
    let base = kernel.modules.ancestors().nth(3).context("a kernel outside lib/modules")?;
    let mut depmod = Command::new("depmod");
    depmod.env("PATH", workspace::search_path()?);
    command::output(depmod.arg("-b").arg(base).arg(release)).map(drop)
}

fn locate(unpacked: &Path) -> Result<Kernel> {
    let places = [unpacked.join("lib/modules"), unpacked.join("usr/lib/modules")];
    let modules = places.iter().find(|path| path.is_dir());
    let modules = modules.with_context(|| format!("no modules in {}", unpacked.display()))?;
    let modules = only_entry(modules, "")?;
    // Since 7.3 the image lies beside the modules.
    let image = modules.join("vmlinuz");
    let image =
        if image.is_file() { image } else { only_entry(&unpacked.join("boot"), "vmlinuz-")? };
    Ok(Kernel { image, modules })
}

fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)) {
            return Ok(path);
        }
    }
    bail!("{} holds no {prefix}*", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "\
linux-image-6.12-amd64-dbg - Debugging symbols (meta-package)
linux-image-6.12.9+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs
linux-image-6.12.117+deb12-amd64-dbg - Debug symbols
linux-image-6.12.117+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs
linux-image-6.12.118+deb12-cloud-amd64-unsigned - Linux 6.12 for x86-64 cloud
linux-image-6.12.118+deb12-rt-amd64-unsigned - Linux 6.12, PREEMPT_RT
linux-image-6.12-amd64 - Linux for 64-bit PCs (meta-package)
linux-image-6.1.0-54-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-7.3.4+deb13-amd64 - Linux 7.3.4 for 64-bit PCs
linux-image-7.2.13+deb14-amd64 - Linux 7.2.13 for 64-bit PCs
";

    #[test]
    fn the_newest_plain_kernel_of_the_series_is_chosen() {
        assert_eq!(newest(LISTED, "6.12"), Some("linux-image-6.12.117+deb12-amd64-unsigned"));
        assert_eq!(newest(LISTED, "6.1"), Some("linux-image-6.1.0-54-amd64"));
        assert_eq!(newest(LISTED, "7"), Some("linux-image-7.3.4+deb13-amd64"));
        assert_eq!(newest(LISTED, "7.2"), Some("linux-image-7.2.13+deb14-amd64"));
        assert_eq!(newest(LISTED, "5.10"), None);
        assert_eq!(newest("", "6.12"), None);
    }

    #[test]
    fn a_kernel_in_several_packages_is_fetched_whole() {
        let shown = "Package: linux-image-7.3.4\nDepends: dracut | initramfs-tools (>= 0.120), \
                     linux-base-7.3.4 (= 1), linux-binary-7.3.4 (= 1), linux-modules-7.3.4 (= 1)\n";
        let all = ["image", "base", "binary", "modules"].map(|part| format!("linux-{part}-7.3.4"));
        assert_eq!(parts("linux-image-7.3.4", shown), all);
        let shown = "Depends: kmod, linux-base (>= 4.3~), initramfs-tools\n";
        assert_eq!(parts("linux-image-6.1", shown), ["linux-image-6.1"]);
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(natural_order("6.12.9+deb12", "6.12.117+deb12"), Ordering::Less);
        assert_eq!(natural_order("6.1.0-54", "6.1.0-9"), Ordering::Greater);
    }
}
