//! Starting the daemon as an ordinary user.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{daemon, tmpfs::Directory};

/// User and group `nobody`, of the kernel's own accord (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65_534;

/// A copy of the binary that everybody may run: the build directory may be closed to others.
#[derive(Debug)]
pub(crate) struct Lent {
    binary: PathBuf,
    // Removed after the binary.
    _directory: Directory,
}

impl Lent {
    /// Makes the copy.
    pub(crate) fn new() -> Self {
        let directory = Directory::new();
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755))
            .expect("a directory of our own can be opened to others");
        let binary = directory.path().join("iotruth");
        fs::copy(daemon::command().get_program(), &binary).expect("there is room for a copy");
        Self { binary, _directory: directory }
    }

    /// Makes the command run the copy, as nobody, with the same arguments and variables.
    pub(crate) fn as_nobody(&self, command: &mut Command) {
        let mut other = Command::new(&self.binary);
        other.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => other.env(name, value),
                None => other.env_remove(name),
            };
        }
        other.stdout(Stdio::null()).stderr(Stdio::piped()).current_dir("/");
        other.uid(NOBODY).gid(NOBODY);
        *command = other;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.binary) {
            eprintln!("{} stays: {error}", self.binary.display());
        }
    }
}
