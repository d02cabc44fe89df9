//! The kernel series that the guests boot, and where Debian has them.

use anyhow::{Context, Result};

/// Which of Debian's archives a suite is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Archive {
    /// The one with the releases and their backports.
    Main,
    /// The one with the security updates.
    Security,
}

/// One kernel series.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Series {
    /// As it is called in every table of ours.
    pub(super) name: &'static str,
    /// What the versions of its packages begin with.
    pub(super) version: &'static str,
    pub(super) archive: Archive,
    pub(super) suite: &'static str,
    /// How records travel there, unless told otherwise: each way is taken by an older and by a newer
    /// kernel.
    pub(super) transport: &'static str,
}

/// Every series of the matrix, the oldest first: the long-term kernels that Debian keeps up to date,
/// and the newest one that is packaged for a release.
pub(super) const MATRIX: [Series; 4] = [
    Series {
        name: "5.10",
        version: "5.10",
        archive: Archive::Security,
        suite: "bullseye-security",
        transport: "ring-buffers",
    },
    Series {
        name: "6.1",
        version: "6.1",
        archive: Archive::Security,
        suite: "bookworm-security",
        transport: "per-cpu",
    },
    Series {
        name: "6.12",
        version: "6.12",
        archive: Archive::Security,
        suite: "bookworm-security",
        transport: "ring-buffers",
    },
    Series {
        name: "7.x",
        version: "7",
        archive: Archive::Main,
        suite: "trixie-backports",
        transport: "per-cpu",
    },
];

/// What was asked for: a series, and which of its versions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) series: &'static Series,
    /// What the version has to begin with.
    pub(super) version: String,
}

/// All of the matrix, or what `--kernel` names: a series or a version of one.
pub(super) fn choose(wanted: Option<&str>) -> Result<Vec<Choice>> {
    let Some(wanted) = wanted else {
        let all = MATRIX.iter();
        return Ok(all
            .map(|series| Choice { series, version: series.version.to_owned() })
            .collect());
    };
    MATRIX
        .iter()
        .find_map(|series| Some(Choice { series, version: series.version_of(wanted)? }))
        .map(|choice| vec![choice])
        .with_context(|| {
            let names: Vec<_> = MATRIX.iter().map(|series| series.name).collect();
            format!("no kernel {wanted} in the matrix; it has {}", names.join(", "))
        })
}

impl Series {
    /// The beginning of the versions that `wanted` means, if it means any of this series.
    fn version_of(&self, wanted: &str) -> Option<String> {
        if wanted == self.name {
            return Some(self.version.to_owned());
        }
        let behind = wanted.strip_prefix(self.version)?;
        (behind.is_empty() || behind.starts_with('.')).then(|| wanted.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{MATRIX, choose};

    fn chosen(wanted: &str) -> Option<(&'static str, String)> {
        let choice = choose(Some(wanted)).ok()?.pop()?;
        Some((choice.series.name, choice.version))
    }

    #[test]
    fn without_a_wish_it_is_the_whole_matrix() {
        assert_eq!(choose(None).map(|all| all.len()).ok(), Some(MATRIX.len()));
    }

    #[test]
    fn a_series_is_found_by_its_name_and_by_its_versions() {
        assert_eq!(chosen("6.1"), Some(("6.1", "6.1".to_owned())));
        assert_eq!(chosen("6.12"), Some(("6.12", "6.12".to_owned())));
        assert_eq!(chosen("7.x"), Some(("7.x", "7".to_owned())));
        assert_eq!(chosen("7.3"), Some(("7.x", "7.3".to_owned())));
        assert_eq!(chosen("6.18"), None);
        assert_eq!(chosen("5"), None);
    }
}
