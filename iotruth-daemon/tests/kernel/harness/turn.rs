//! One scenario at a time on this machine.

use std::{
    fs::{self, File},
    path::Path,
};

/// The right to use the machine, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: File,
}

/// Waits until no other scenario runs, in this process or another.
///
/// Each daemon sees the I/O of the whole machine, so scenarios at the same time would see each
/// other's errors. Fails loudly where the tests cannot work at all.
pub(crate) fn turn() -> Turn {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let root = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .is_some_and(|uids| uids.split_whitespace().nth(1) == Some("0"));
    assert!(
        root,
        "these tests load eBPF programs and set up block devices: run them as root, \
         as `cargo xtask test` does"
    );
    assert!(
        Path::new("/sys/kernel/btf/vmlinux").exists(),
        "this kernel has no BTF (/sys/kernel/btf/vmlinux), so the daemon cannot be tested here"
    );
    let lock = File::create("/tmp/iotruth-tests.lock").expect("the lock file can be written");
    lock.lock().expect("the lock file can be locked");
    Turn { _lock: lock }
}
