//! A write-back cache that cannot be made durable: `flush failed`, not `dispatch failure`.

use std::process;

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, ext4::Ext4, loop_device::LoopDevice,
    mismatches::Entry, tmpfs::Tmpfs, turn::turn,
};

#[test]
fn a_cache_that_fails_to_flush_is_flush_failed() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(8);
    let lower = LoopDevice::over(&tmpfs.file("disk", 64 << 20), &[]);
    let ext4 = Ext4::make(&lower, false);
    let file = ext4.path().join("disk");
    std::fs::File::create_new(&file).unwrap().set_len(32 << 20).unwrap();
    ext4.sync();
    tmpfs.seal();
    // This device is cached by the file system, which promises room that the tmpfs has not.
    let device = LoopDevice::over(&file, &[]);
    let daemon = Daemon::start(&[]);
    let mut disk = DirectFile::open(device.path(), 1 << 20);
    disk.write(0).expect("the cache takes all");
    disk.flush().expect_err("the cache cannot be made durable");
    let scrape = quiet(&daemon);

    let ours = daemon.all_mismatches(device.name());
    assert!(ours.iter().all(|entry| entry.kind() == "flush_failed"), "{ours:?}");
    assert!(ours.iter().all(|entry| entry.severity() == "critical"), "{ours:?}");
    // The command that the device got, and the request of the caller that waited for it.
    let mut operations: Vec<_> = ours.iter().map(Entry::operation).collect();
    operations.sort_unstable();
    assert_eq!(operations, ["flush", "write"]);
    let asked = ours.iter().find(|entry| entry.operation() == "write").unwrap();
    let (owner, _) = asked.owner().unwrap_or_else(|| panic!("no owner: {asked:?}"));
    assert_eq!(owner, u64::from(process::id()));
    // Below it, the writes found no room.
    let below = daemon.all_mismatches(lower.name());
    assert!(below.iter().any(|entry| entry.kind() == "io_error"), "{below:?}");
    let shown = daemon.mismatches();
    assert!(shown.iter().all(|entry| entry.kind() != "dispatch_failure"), "{shown:?}");
    assert_eq!(scrape.counted_losses(), 0);
}
