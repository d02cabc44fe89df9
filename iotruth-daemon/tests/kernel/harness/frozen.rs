//! A file system that keeps whoever writes waiting.

use std::{path::Path, process::Command};

use super::run::run;

/// A file system that lets nobody write; thawed with this guard.
pub(crate) struct Frozen<'a> {
    path: &'a Path,
}

impl<'a> Frozen<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        run("fsfreeze", [Path::new("--freeze"), path]);
        Self { path }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let done = Command::new("fsfreeze").arg("--unfreeze").arg(self.path).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{} stays frozen", self.path.display());
        }
    }
}
