//! Who we are, and how to become root for the few things that need it.

use std::{os::unix::fs::MetadataExt, process::Command};

use anyhow::{Context, Result};

use crate::command;

/// Do we run as root?
pub(crate) fn is_root() -> Result<bool> {
    // The owner of /proc/self is the effective user of this process.
    let myself = std::fs::metadata("/proc/self").context("cannot read /proc/self")?;
    Ok(myself.uid() == 0)
}

/// How a command can be given root's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elevation {
    /// We are root.
    Root,
    /// sudo works without asking.
    Sudo,
    /// sudo exists, but will ask for a password.
    SudoAsks,
    /// There is no way.
    Impossible,
}

impl Elevation {
    /// Finds out without asking anyone anything.
    pub(crate) fn detect() -> Result<Self> {
        Ok(if is_root()? {
            Self::Root
        } else if command::succeeds(Command::new("sudo").args(["-n", "true"])) {
            Self::Sudo
        } else if command::succeeds(Command::new("sudo").arg("-V")) {
            Self::SudoAsks
        } else {
            Self::Impossible
        })
    }

    /// Says what root is needed for and lets sudo ask for its password now, if it would later.
    pub(crate) fn unlock(self, reason: &str) -> Result<()> {
        match self {
            Self::SudoAsks => {
                println!("{reason}");
                command::run(Command::new("sudo").arg("--validate"))
            }
            Self::Root | Self::Sudo | Self::Impossible => Ok(()),
        }
    }

    /// A command that runs `program` as root, or none where that would need a password.
    pub(crate) fn unattended(self, program: &str) -> Option<Command> {
        match self {
            Self::Root => Some(Command::new(program)),
            Self::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", program]);
                Some(sudo)
            }
            Self::SudoAsks | Self::Impossible => None,
        }
    }
}
