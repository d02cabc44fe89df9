//! An ext4 file system on a loop device.

use std::path::Path;

use super::{loop_device::LoopDevice, run::run, tmpfs::Mount};

/// A mounted file system.
#[derive(Debug)]
pub(crate) struct Ext4 {
    mount: Mount,
}

impl Ext4 {
    /// Makes one with a small journal, or with none, and mounts it. Written areas stay as small as
    /// possible, because the devices here are mostly hole.
    pub(crate) fn make(device: &LoopDevice, journal: bool) -> Self {
        let path = device.path().to_str().expect("device names are plain");
        let journal: &[&str] = if journal { &["-J", "size=4"] } else { &["-O", "^has_journal"] };
        let small = ["-q", "-E", "nodiscard,lazy_itable_init=1", "-N", "64"];
        run("mkfs.ext4", [&small, journal, &[path]].concat());
        // Lazy initialisation by a kernel thread would write whenever it likes.
        Self { mount: Mount::new(path, &["-t", "ext4", "-o", "noinit_itable"]) }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.mount.path()
    }

    /// Writes back all that is dirty.
    pub(crate) fn sync(&self) {
        let path = self.path().to_str().expect("a path of our own is plain");
        run("sync", ["--file-system", path]);
    }
}
