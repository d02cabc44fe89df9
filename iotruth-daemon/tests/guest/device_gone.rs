//! A disk that goes offline, or is deleted, under load.

use std::thread::{self, JoinHandle};

use crate::{
    disk::Disk,
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        diskstats::DiskStats,
        mismatches::Entry,
        patience::wait_for,
        turn::turn,
    },
    kernel,
    scsi_debug::ScsiDebug,
    strict::{exactly, strict, whole},
};

const THREADS: u64 = 4;

/// Each thread gives up after so many errors.
const ERRORS: u64 = 25;

/// Reads before the disk goes.
const LOAD: u64 = 100;

/// Reads of the disk that comes after a deleted one.
const READS: u64 = 200;

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
    let daemon = Daemon::start(kernel::SECOND_PROGRAMS);
    let readers = read_until_it_fails(disk);
    under_load(&daemon, name);
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
    let daemon = Daemon::start(kernel::SECOND_PROGRAMS);
    let readers = read_until_it_fails(disk);
    under_load(&daemon, name);
    let number = disk.attribute("dev");
    let host = ScsiDebug::host_of(disk);
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
        // What fails after the disk has left sysfs is told of the disk all the same.
        assert_eq!((entry.device(), entry.kind()), (name, "dispatch_failure"), "{entry:?}");
    }
    nothing_under(&daemon, &[name, &number]);
    // Nor does the next disk of this number have any of it.
    let next = ScsiDebug::scan(&host);
    assert_eq!(next.attribute("dev").trim(), number.trim(), "another number is no test");
    let mut file = DirectFile::open(&next.path(), 4096);
    for offset in Offsets::new(9, 64 << 20).take(READS as usize) {
        assert_eq!(file.read(offset).unwrap(), 4096);
    }
    let again = next.name();
    let scrape = whole(&daemon);
    let (reads, skipped) = (scrape.requests(again, "read"), scrape.skipped);
    let status = || daemon.get("/status?format=text");
    assert!(reads + skipped >= READS, "{again}: {reads} of {READS}\n{}", status());
    let errors = |device| scrape.count("iotruth_request_errors_total", &[("device", device)]);
    // A command that asks whether a new disk is ready is answered that it was reset just now.
    let asked = (again.to_owned(), "io_error_expected".to_owned());
    let asked = scrape.mismatches_by_kind().get(&asked).copied().unwrap_or(0);
    assert_eq!((errors(again), scrape.mismatches(again)), (asked, asked), "{again}");
    // Commands to a disk that is being found have no number yet, and are nobody's.
    let (of_disks, others): (Vec<Entry>, Vec<Entry>) =
        daemon.mismatches().into_iter().partition(|entry| [name, again].contains(&entry.device()));
    assert_eq!(of_disks.iter().map(Entry::count).sum::<u64>(), failed, "{of_disks:?}");
    assert!(others.iter().all(|entry| entry.device() == "0:0"), "{others:?}");
    nothing_under(&daemon, &[&number]);
}

/// Waits until the disk has some load, and the daemon knows its name.
fn under_load(daemon: &Daemon, name: &str) {
    let before = DiskStats::of(name);
    wait_for("load", || {
        let reads = DiskStats::of(name).since(before).reads;
        if reads >= LOAD && daemon.scrape().knows(name) {
            Ok(())
        } else {
            Err(format!("{reads} reads"))
        }
    });
}

/// Waits until the metrics have nothing of these devices.
fn nothing_under(daemon: &Daemon, devices: &[&str]) {
    wait_for("the series of a deleted disk to end", || {
        let scrape = daemon.scrape();
        match devices.iter().find(|device| scrape.knows(device)) {
            Some(device) => Err(format!("{device} is there")),
            None => Ok(()),
        }
    });
}
