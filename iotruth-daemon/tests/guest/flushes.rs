//! Flushes of a write cache: empty ones, those before data and those after it.

use std::{fs::File, io::Write};

use crate::{
    disk::Disk,
    harness::{
        daemon::Daemon, direct_io::DirectFile, diskstats::DiskStats, tmpfs::Mount, turn::turn,
    },
    null_blk::NullBlk,
    strict::{exactly, strict},
};

const EACH: u64 = 50;

#[test]
fn an_fsync_of_a_disk_is_an_empty_flush() {
    let _turn = turn();
    for irqmode in ["2", "0"] {
        let cached = [("irqmode", irqmode), ("memory_backed", "1"), ("cache_size", "4")];
        let device = NullBlk::new(&cached);
        let name = device.name();
        let daemon = Daemon::start(&[]);
        let mut file = DirectFile::open(&device.path(), 4096);
        for block in 0..EACH {
            file.write(block * 8192).expect("the device can be written");
            file.flush().expect("the device can be flushed");
        }
        let scrape = strict(&daemon, &[(name, "flush_emulated", exactly(EACH))]);
        scrape.expect(name, "write", 2 * EACH, EACH * 4096);
        scrape.equal("flush", scrape.measured(name, "write", "flush"), EACH);
        scrape.expect(name, "flush", EACH, 0);
        scrape.equal("device", scrape.measured(name, "flush", "device"), EACH);
    }
}

#[test]
fn without_a_write_cache_there_is_nothing_to_flush() {
    let _turn = turn();
    let device = NullBlk::new(&[("irqmode", "2"), ("memory_backed", "1")]);
    let name = device.name();
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::durable(&device.path(), 4096);
    for block in 0..EACH {
        file.write(block * 8192).expect("the device can be written");
    }
    let scrape = strict(&daemon, &[]);
    scrape.expect(name, "write", EACH, EACH * 4096);
    scrape.equal("device", scrape.measured(name, "write", "device"), EACH);
    assert_eq!(scrape.requests(name, "flush"), 0);
}

#[test]
fn with_fua_only_the_fsync_behind_a_durable_write_is_a_flush() {
    let _turn = turn();
    let cached = [("irqmode", "2"), ("memory_backed", "1"), ("cache_size", "4")];
    let device = NullBlk::new(&cached);
    let name = device.name();
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::durable(&device.path(), 4096);
    for block in 0..EACH {
        file.write(block * 8192).expect("the device can be written");
    }
    let scrape = strict(&daemon, &[(name, "flush_emulated", exactly(EACH))]);
    scrape.expect(name, "write", 2 * EACH, EACH * 4096);
    scrape.expect(name, "flush", EACH, 0);
    scrape.equal("device", scrape.measured(name, "write", "device"), EACH);
}

#[test]
fn without_fua_the_data_of_a_durable_write_is_followed_by_a_flush() {
    let _turn = turn();
    let disk = Disk::of_serial("faulty");
    let name = disk.name();
    assert_eq!(disk.attribute("queue/write_cache"), "write back");
    assert_eq!(disk.attribute("queue/fua"), "0");
    let daemon = Daemon::start(&[]);
    let before = disk.flushes();
    let mut file = DirectFile::durable(&disk.path(), 4096);
    for block in 0..EACH {
        file.write(block * 8192).expect("the disk can be written");
    }
    let flushes = disk.flushes() - before;
    // The data's own, and that of the fsync behind it.
    assert_eq!(flushes, 2 * EACH);
    let scrape = strict(&daemon, &[(name, "flush_emulated", exactly(2 * EACH))]);
    scrape.expect(name, "write", 2 * EACH, EACH * 4096);
    scrape.expect(name, "flush", flushes, 0);
    scrape.equal("device", scrape.measured(name, "flush", "device"), flushes);
    scrape.equal("device", scrape.measured(name, "write", "device"), EACH);
    scrape.equal("flush", scrape.measured(name, "write", "flush"), 2 * EACH);
}

#[test]
fn a_commit_of_a_journal_flushes_before_its_block_and_after_it() {
    let _turn = turn();
    let disk = Disk::of_serial("journal");
    let name = disk.name();
    let daemon = Daemon::start(&[]);
    let at_first = (disk.flushes(), DiskStats::of(name));
    let path = disk.path();
    let options = ["-t", "ext4", "-o", "noinit_itable,commit=300"];
    let mount = Mount::new(path.to_str().unwrap(), &options);
    let mut file = File::create_new(mount.path().join("file")).unwrap();
    let before = disk.flushes();
    let commits = 20;
    for _ in 0..commits {
        file.write_all(&[7; 4096]).unwrap();
        // The size changes, so that there is something to commit.
        file.sync_all().unwrap();
    }
    let flushes = disk.flushes() - before;
    assert_eq!(flushes, 2 * commits, "a commit block is written after a flush, and before one");
    drop(file);
    std::fs::remove_file(mount.path().join("file")).unwrap();
    drop(mount);
    // Mounting and unmounting write to the journal too.
    let scrape = strict(&daemon, &[(name, "flush_emulated", commits..=commits + 20)]);
    scrape.expect(name, "flush", disk.flushes() - at_first.0, 0);
    let kernel = DiskStats::of(name).since(at_first.1);
    scrape.expect(name, "write", kernel.writes, kernel.written_bytes);
    assert!(scrape.measured(name, "write", "flush") >= commits);
}
