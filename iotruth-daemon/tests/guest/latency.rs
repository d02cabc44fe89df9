//! Latencies of devices that take a known time for every answer.

use std::time::{Duration, Instant};

use crate::{
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        turn::turn,
    },
    null_blk::NullBlk,
    scsi_debug::{self, ScsiDebug},
    strict::strict,
};

/// What the devices are told to take.
const DELAY: Duration = Duration::from_millis(50);

/// How much more the fastest read may take: a timer of an emulated machine may be late, but not each
/// time.
const LATE: Duration = Duration::from_millis(20);

/// Reads of each device; each one is looked at.
const READS: usize = 10;

#[test]
fn null_blk_takes_as_long_as_it_was_told() {
    let _turn = turn();
    let delay = DELAY.as_nanos().to_string();
    let device = NullBlk::new(&[("irqmode", "2"), ("completion_nsec", &delay)]);
    measure(device.name(), &mut DirectFile::open(&device.path(), 4096));
}

#[test]
fn scsi_debug_takes_as_long_as_it_was_told() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    scsi_debug::answer_after(DELAY.as_nanos() as u64);
    let disk = hosts.disk(0);
    measure(disk.name(), &mut DirectFile::open(&disk.path(), 4096));
}

/// Reads, and compares the time of each read with what the device takes.
fn measure(name: &str, file: &mut DirectFile) {
    let daemon = Daemon::start(&[]);
    let (mut before, mut fastest) = (0.0, Duration::MAX);
    for (number, offset) in Offsets::new(1, 64 << 20).take(READS).enumerate() {
        let begin = Instant::now();
        file.read(offset).expect("it can be read");
        let most = begin.elapsed();
        let scrape = strict(&daemon, &[]);
        scrape.equal("device", scrape.measured(name, "read", "device"), number as u64 + 1);
        let sum = scrape.nanoseconds(name, "read", "device");
        // Sums are printed in seconds, so that the last nanosecond may be off.
        let took = Duration::from_nanos((sum - before).round() as u64 + 1);
        assert!(took >= DELAY, "read {number} of {name} took {took:?}, less than it can");
        assert!(took <= most, "read {number} of {name} took {took:?}, and its reader {most:?}");
        (before, fastest) = (sum, fastest.min(took));
    }
    assert!(fastest <= DELAY + LATE, "the fastest read of {name} took {fastest:?}");
}
