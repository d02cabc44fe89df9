//! Debian suites that this machine's apt is not configured with, on the mirrors that it is.
//!
//! apt is given folders of its own below `target`, so that the machine's package lists stay as they
//! are. How to reach a mirror, proxies and the like, it takes from the machine's configuration.

use std::{
    ffi::OsString,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::series::{Archive, MATRIX};
use crate::{apt, command};

/// The keys that Debian signs its archives with, from the package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What apt prints for each package list of the machine.
const FORMAT: &str = "$(CREATED_BY) $(LABEL) $(REPO_URI)";

/// apt with the suites of the matrix.
#[derive(Debug)]
pub(super) struct Suites {
    folder: PathBuf,
}

impl Suites {
    /// Sets apt's folders up and reads the package lists.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        for name in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        // Nothing is installed as far as this apt is concerned.
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("sources.list"), sources(&targets()?)?)?;
        let suites = Self { folder: folder.to_path_buf() };
        println!("reading the package lists of the guests' kernels");
        command::output(suites.apt("apt-get").args(["update", "--quiet"]))?;
        Ok(suites)
    }

    /// What `apt-cache search` lists for a pattern of names.
    pub(super) fn search(&self, pattern: &str) -> Result<String> {
        command::output(self.apt("apt-cache").args(["search", "--names-only", pattern]))
    }

    /// What apt knows of the newest version of a package.
    pub(super) fn show(&self, package: &str) -> Result<String> {
        command::output(self.apt("apt-cache").args(["show", "--no-all-versions", package]))
    }

    /// Downloads a package and unpacks it below `folder`.
    pub(super) fn unpack(&self, package: &str, folder: &Path) -> Result<()> {
        apt::download(package, folder, &self.options())?;
        apt::extract(folder)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(self.options());
        command
    }

    fn options(&self) -> Vec<OsString> {
        let places = [
            ("Dir::State", "state"),
            ("Dir::Cache", "cache"),
            ("Dir::State::status", "status"),
            ("Dir::Etc::sourcelist", "sources.list"),
        ];
        let places = places.into_iter().map(|(option, name)| {
            let mut option = OsString::from(format!("{option}="));
            option.push(self.folder.join(name));
            option
        });
        let others =
            ["Dir::Etc::sourceparts=-", "Acquire::Languages=none", "APT::Sandbox::User=root"];
        places.chain(others.map(OsString::from)).flat_map(|option| ["-o".into(), option]).collect()
    }
}

/// The machine's own package lists.
fn targets() -> Result<String> {
    let list =
        || command::output(Command::new("apt-get").args(["indextargets", "--format", FORMAT]));
    let targets = list()?;
    if mirror(&targets, Archive::Main).is_some() && mirror(&targets, Archive::Security).is_some() {
        return Ok(targets);
    }
    // A list that was never read has no label.
    apt::refresh()?;
    list()
}

fn sources(targets: &str) -> Result<String> {
    if !Path::new(KEYRING).is_file() {
        bail!("{KEYRING} is missing; run: {}", apt::advice(&["debian-archive-keyring"]));
    }
    let mut sources = String::new();
    for series in &MATRIX {
        let mirror = mirror(targets, series.archive).with_context(|| {
            format!(
                "apt has no source labelled {} on this machine, and the kernel {} is only there",
                label(series.archive),
                series.name
            )
        })?;
        let line = format!("deb [signed-by={KEYRING}] {mirror} {} main\n", series.suite);
        if !sources.contains(&line) {
            write!(sources, "{line}")?;
        }
    }
    Ok(sources)
}

/// The address of an archive, out of apt's list of package lists.
fn mirror(targets: &str, archive: Archive) -> Option<&str> {
    targets.lines().find_map(|line| {
        let rest = line.strip_prefix("Packages ")?;
        rest.strip_prefix(label(archive))?.strip_prefix(' ')
    })
}

/// What an archive calls itself.
const fn label(archive: Archive) -> &'static str {
    match archive {
        Archive::Main => "Debian",
        Archive::Security => "Debian-Security",
    }
}

#[cfg(test)]
mod tests {
    use super::{Archive, mirror};

    const TARGETS: &str = "\
DEP-11 Debian http://mirror.example/debian/
Packages Other http://other.example/apt/
Packages Debian-Security http://mirror.example/security/
Packages Debian http://mirror.example/debian/
";

    #[test]
    fn archives_are_known_by_their_labels() {
        assert_eq!(mirror(TARGETS, Archive::Main), Some("http://mirror.example/debian/"));
        assert_eq!(mirror(TARGETS, Archive::Security), Some("http://mirror.example/security/"));
        assert_eq!(mirror("Packages $(LABEL) http://unread.example/\n", Archive::Main), None);
    }
}
