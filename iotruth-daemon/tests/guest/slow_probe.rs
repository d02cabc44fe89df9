//! A disk that its driver talks to for seconds before sysfs has it.

use std::time::Duration;

use crate::{
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        turn::turn,
    },
    kernel,
    scsi_debug::{self, ScsiDebug},
    strict::whole,
};

/// What each answer takes. A disk is asked some ten times before it is there, which makes more than the
/// second after which the daemon looks whether a disk is still there.
const DELAY: Duration = Duration::from_millis(250);

/// Reads of the disk; each takes as long.
const READS: u64 = 10;

#[test]
fn a_disk_that_gets_its_name_late_is_shown_under_it() {
    let _turn = turn();
    let daemon = Daemon::start(kernel::SECOND_PROGRAMS);
    scsi_debug::answer_after(DELAY.as_nanos() as u64);
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    let (name, number) = (disk.name(), disk.attribute("dev"));
    let mut file = DirectFile::open(&disk.path(), 4096);
    for offset in Offsets::new(1, 64 << 20).take(READS as usize) {
        assert_eq!(file.read(offset).unwrap(), 4096);
    }
    let scrape = whole(&daemon);
    let status = || daemon.get("/status?format=text");
    assert!(!scrape.knows(number.trim()), "under its number\n{}", status());
    let (reads, skipped) = (scrape.requests(name, "read"), scrape.skipped);
    assert!(reads + skipped >= READS, "{name}: {reads} of {READS}\n{}", status());
}
