//! Which kernel modules to load, in which order.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// The modules whose drivers the guest's tests use, and what for.
pub(super) const WANTED: [(&str, &str); 13] = [
    ("null_blk", "a block device whose every request is under the test's control"),
    ("virtio_pci", "the bus of QEMU's virtio disks"),
    ("virtio_blk", "disks that QEMU gives errors to"),
    ("nvme", "a disk with queues and FUA of its own"),
    ("sd_mod", "SCSI disks"),
    ("scsi_debug", "a SCSI host that is busy, mute, short or broken when told"),
    ("dm-multipath", "clones of requests, and more than one path"),
    ("dm-round-robin", "which path is next"),
    ("loop", "a block device over a file"),
    ("ext4", "buffered writes and write-back"),
    ("mq-deadline", "a scheduler that merges"),
    ("kyber-iosched", "a scheduler"),
    ("bfq", "a scheduler that merges"),
];

/// A module that is loaded where there is one, before the others. `modules.dep` does not know that
/// ext4 asks the crypto layer for this sum; newer kernels have it in themselves.
pub(super) const CHECKSUM: &str = "crc32c_generic";

/// A module that some kernels do not have, for a scenario that is absent there.
pub(super) const NVME_LOOP: &str = "nvme_loop";

/// The lists that depmod and the kernel's build make.
#[derive(Debug)]
pub(super) struct Index<'a> {
    /// Module name to its file and the files that it needs, as modules.dep has them.
    files: BTreeMap<String, (&'a str, Vec<&'a str>)>,
    built_in: Vec<String>,
}

impl<'a> Index<'a> {
    /// Reads `modules.dep` and `modules.builtin`.
    pub(super) fn parse(dep: &'a str, builtin: &'a str) -> Self {
        let files = dep
            .lines()
            .filter_map(|line| {
                let (file, needed) = line.split_once(':')?;
                Some((module_name(file), (file, needed.split_whitespace().collect())))
            })
            .collect();
        Self { files, built_in: builtin.lines().map(module_name).collect() }
    }

    /// Whether there is a file for a module.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The files to load for `wanted`, each after everything that it needs.
    pub(super) fn load_order(&self, wanted: &[&str]) -> Result<Vec<&'a str>> {
        let mut order: Vec<&str> = Vec::new();
        for name in wanted.iter().map(|name| module_name(name)) {
            if self.built_in.contains(&name) {
                continue;
            }
            let (file, needed) = self
                .files
                .get(&name)
                .with_context(|| format!("this kernel has no module {name}"))?;
            // modules.dep lists all that is needed, directly or not, the deepest last.
            for file in needed.iter().rev().chain([file]) {
                if !order.contains(file) {
                    order.push(file);
                }
            }
        }
        Ok(order)
    }
}

/// The name of a module as the kernel knows it: no folder, no suffix, underscores only.
pub(super) fn module_name(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split('.').next().unwrap_or(base).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/fs/configfs/configfs.ko.xz:
kernel/drivers/block/null_blk/null_blk.ko.xz: kernel/fs/configfs/configfs.ko.xz
kernel/lib/crc16.ko.xz:
kernel/fs/jbd2/jbd2.ko.xz: kernel/lib/crc16.ko.xz
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/block/kyber-iosched.ko.xz:
";
    const BUILTIN: &str = "kernel/block/mq-deadline.ko\nkernel/lib/crc32.ko\n";

    #[test]
    fn what_is_needed_comes_first_and_only_once() -> Result<()> {
        let index = Index::parse(DEP, BUILTIN);
        let order = index.load_order(&["ext4", "null_blk", "null_blk"])?;
        let names: Vec<_> = order.into_iter().map(module_name).collect();
        assert_eq!(names, ["crc16", "jbd2", "ext4", "configfs", "null_blk"]);
        Ok(())
    }

    #[test]
    fn what_is_built_in_needs_no_file() -> Result<()> {
        let index = Index::parse(DEP, BUILTIN);
        let order = index.load_order(&["mq-deadline", "kyber_iosched"])?;
        assert_eq!(order, ["kernel/block/kyber-iosched.ko.xz"]);
        Ok(())
    }

    #[test]
    fn a_module_that_the_kernel_lacks_is_named() {
        assert!(!Index::parse(DEP, BUILTIN).has("bfq") && Index::parse(DEP, BUILTIN).has("ext4"));
        let error = Index::parse(DEP, BUILTIN).load_order(&["bfq"]).map_err(|e| e.to_string());
        assert_eq!(error, Err("this kernel has no module bfq".to_owned()));
    }
}
