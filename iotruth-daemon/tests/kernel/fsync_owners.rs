//! Who asked for the writes and flushes of an fsync.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    process,
};

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, ext4::Ext4, loop_device::LoopDevice,
    metrics::Scrape, mismatches::Entry, tmpfs::Tmpfs, turn::turn,
};

#[test]
fn flushes_and_the_journal_belong_to_the_journal_or_the_caller() {
    let _turn = turn();
    let device = LoopDevice::new(64);
    let ext4 = Ext4::make(&device, true);
    let path = ext4.path().join("data");
    fs::write(&path, vec![1; 65536]).unwrap();
    ext4.sync();
    let daemon = Daemon::start(&[]);

    // A new file needs the journal, whose commit asks for a flush before and after its block.
    let mut new = File::create_new(ext4.path().join("new")).unwrap();
    new.write_all(&vec![2; 65536]).unwrap();
    new.sync_all().unwrap();
    // Data that is in its place already needs no journal: the caller flushes by itself.
    let data = File::options().write(true).open(&path).unwrap();
    data.write_all_at(&vec![3; 65536], 0).unwrap();
    data.sync_data().unwrap();
    quiet(&daemon);

    // The owner of what went well is told with the flushes that a request had to wait for.
    assert_eq!(daemon.mismatches().len(), 0, "nothing went wrong");
    let all = daemon.all_mismatches(device.name());
    assert!(all.iter().all(|entry| entry.kind() == "flush_emulated"), "{all:?}");
    check_owners(&all, &device);
}

#[test]
fn flushes_that_fail_show_who_asked_for_them() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(64);
    let lowest = tmpfs.file("disk", 128 << 20);
    let lower = LoopDevice::over(&lowest, &[]);
    let below = Ext4::make(&lower, false);
    let file = below.path().join("disk");
    File::create_new(&file).unwrap().set_len(64 << 20).unwrap();
    // Cached by the file system below, whose own device loses its room later on.
    let device = LoopDevice::over(&file, &[]);
    let ext4 = Ext4::make(&device, true);
    let path = ext4.path().join("data");
    fs::write(&path, vec![1; 1 << 20]).unwrap();
    ext4.sync();
    below.sync();
    let daemon = Daemon::start(&[]);
    File::options().write(true).open(&lowest).unwrap().set_len(1 << 20).unwrap();
    tmpfs.seal();

    let data = File::options().write(true).open(&path).unwrap();
    data.write_all_at(&vec![2; 65536], 0).unwrap();
    data.sync_data().expect_err("the caller's flush fails");
    let mut new = File::create_new(ext4.path().join("new")).unwrap();
    new.write_all(&vec![3; 65536]).unwrap();
    new.sync_all().expect_err("the commit of the journal fails");
    quiet(&daemon);

    let mut failed = daemon.all_mismatches(device.name());
    failed.retain(|entry| entry.kind() == "flush_failed");
    check_owners(&failed, &device);
}

/// What was written on this device belongs to its journal or to this process, and both are there.
fn check_owners(entries: &[Entry], device: &LoopDevice) {
    let owners: Vec<_> = entries.iter().map(|entry| (entry.operation(), entry.owner())).collect();
    // The kernel cuts names after 15 letters.
    let journal = format!("jbd2/{}-8", device.name());
    let by_journal = |owner: &(u64, &str)| journal.starts_with(owner.1);
    let by_caller = |owner: &(u64, &str)| owner.0 == u64::from(process::id());
    let of_writes = || owners.iter().filter(|(operation, _)| *operation == "write");
    assert!(of_writes().any(|(_, owner)| owner.as_ref().is_some_and(by_caller)), "{owners:?}");
    assert!(of_writes().any(|(_, owner)| owner.as_ref().is_some_and(by_journal)), "{owners:?}");
    for (operation, owner) in &owners {
        match owner {
            Some(owner) => assert!(by_journal(owner) || by_caller(owner), "{owners:?}"),
            // The command that the device got was sent by a kernel worker for somebody else.
            None => assert_eq!(*operation, "flush", "{owners:?}"),
        }
    }
}

#[test]
fn an_empty_flush_has_a_latency() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let name = device.name();
    let daemon = Daemon::start(&[]);
    let file = DirectFile::open(device.path(), 4096);
    let before = quiet(&daemon);
    file.flush().expect("our device can be flushed");
    let after = quiet(&daemon);
    let added = |count: fn(&Scrape, &str) -> u64| count(&after, name) - count(&before, name);
    // The caller's request, which has no data, and the command that the device got.
    assert_eq!(added(|scrape, name| scrape.requests(name, "write")), 1);
    assert_eq!(added(|scrape, name| scrape.bytes(name, "write")), 0);
    assert_eq!(added(|scrape, name| scrape.measured(name, "write", "total")), 1);
    assert_eq!(added(|scrape, name| scrape.measured(name, "write", "flush")), 1);
    assert_eq!(added(|scrape, name| scrape.requests(name, "flush")), 1);
    assert_eq!(added(|scrape, name| scrape.measured(name, "flush", "device")), 1);
    assert!(after.nanoseconds(name, "write", "total") > 0.0);
    assert!(after.nanoseconds(name, "flush", "total") > 0.0);
}
