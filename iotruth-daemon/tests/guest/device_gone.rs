//! A disk that goes offline, or is deleted, under load.

use std::{
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    disk::Disk,
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        mismatches::Entry,
        patience::wait_for,
        turn::turn,
    },
    scsi_debug::ScsiDebug,
    strict::{exactly, strict, whole},
};

const THREADS: u64 = 4;

/// Each thread gives up after so many errors.
const ERRORS: u64 = 25;

/// Reads until the disk fails, and a little longer; each thread says how many reads went well.
fn read_until_it_fails(disk: &Disk) -> Vec<JoinHandle<u64>> {
    let reader = |seed| {
        let mut file = DirectFile::open(&disk.path(), 4096);
        move || {
            let mut offsets = Offsets::new(seed, 64 << 20);
            let (mut well, mut failed) = (0, 0);
            while failed < ERRORS {
                // A disk that has gone has no bytes, and reading behind its end is no error.
                match file.read(offsets.next().unwrap_or_default()) {
                    Ok(1..) => well += 1,
                    Ok(0) | Err(_) => failed += 1,
                }
            }
            well
        }
    };
    (0..THREADS).map(|seed| thread::spawn(reader(seed))).collect()
}

#[test]
fn what_an_offline_disk_refuses_was_never_issued() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    let name = disk.name();
    let daemon = Daemon::start(&[]);
    let readers = read_until_it_fails(disk);
    thread::sleep(Duration::from_millis(500));
    disk.set("device/state", "offline\n");
    let well: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    let failed = THREADS * ERRORS;
    let scrape = strict(&daemon, &[(name, "dispatch_failure", exactly(failed))]);
    assert!(well > 0, "there was load");
    scrape.expect(name, "read", well + failed, well * 4096);
    // Kernels differ in what they call it.
    let of_error = |error| {
        let labels = [("device", name), ("op", "read"), ("error", error)];
        scrape.existing("iotruth_request_errors_total", &labels)
    };
    scrape.equal("errors", of_error("io") + of_error("offline"), failed);
    disk.set("device/state", "running\n");
}

#[test]
fn what_a_deleted_disk_refuses_is_told_as_well() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    let name = disk.name();
    let daemon = Daemon::start(&[]);
    let readers = read_until_it_fails(disk);
    thread::sleep(Duration::from_millis(500));
    let number = disk.attribute("dev");
    disk.set("device/delete", "1");
    let well: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    assert!(well > 0, "there was load");
    let scrape = whole(&daemon);
    let ended = |end| scrape.existing("iotruth_lives_ended_total", &[("end", end)]);
    let ended = ended("judged") + ended("unjudged") + scrape.skipped;
    // The series of the disk are gone with it; the list remembers. What failed before the queue was
    // closed had a request, and all the rest had none (`blk_queue_enter`).
    let told = daemon.mismatches();
    let failed: u64 = told.iter().map(Entry::count).sum();
    assert!(ended >= well + failed, "{ended} ended, {well} well, {failed} failed");
    for entry in &told {
        // What fails after the disk has left sysfs is told of a number that has no name any more.
        assert!([name, number.as_str()].contains(&entry.device()), "{entry:?}");
        assert_eq!(entry.kind(), "dispatch_failure", "{entry:?}");
    }
    wait_for("the series of a deleted disk to end", || {
        if daemon.scrape().knows(name) { Err(format!("{name} is there")) } else { Ok(()) }
    });
}
