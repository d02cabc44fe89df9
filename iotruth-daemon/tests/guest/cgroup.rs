//! Control groups, version 2.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

const ROOT: &str = "/sys/fs/cgroup";

/// A group that goes away with this guard.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// A new one, with the controllers that make write-back somebody's own.
    pub(crate) fn new(name: &str) -> Self {
        set(&Path::new(ROOT).join("cgroup.subtree_control"), "+memory +io");
        let path = Path::new(ROOT).join(name);
        fs::create_dir(&path).expect("a group can be made");
        Self { path }
    }

    /// The number that the kernel knows it by.
    pub(crate) fn id(&self) -> u64 {
        fs::metadata(&self.path).expect("the group is there").ino()
    }

    /// Runs something as a member of it; this process is in the root group otherwise.
    pub(crate) fn enter<T>(&self, act: impl FnOnce() -> T) -> T {
        set(&self.path.join("cgroup.procs"), "0");
        let result = act();
        leave();
        result
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        leave();
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}

fn leave() {
    set(&Path::new(ROOT).join("cgroup.procs"), "0");
}

fn set(path: &Path, value: &str) {
    fs::write(path, value).unwrap_or_else(|error| panic!("{value} to {}: {error}", path.display()));
}
