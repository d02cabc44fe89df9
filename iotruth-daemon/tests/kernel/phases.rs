//! queue + retry + device + flush = total, for every life.

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    loop_device::LoopDevice,
    turn::turn,
};

/// Microseconds in `/mismatches` have three decimals; five figures are compared.
const ROUNDING: f64 = 0.005;

#[test]
fn phases_add_up_in_the_histograms_of_every_scheduler() {
    let _turn = turn();
    let device = LoopDevice::new(16);
    let name = device.name();
    let daemon = Daemon::start(&["--start-events"]);
    let mut file = DirectFile::open(device.path(), 4096);
    for scheduler in ["none", "mq-deadline", "kyber", "bfq"] {
        device.set_scheduler(scheduler);
        for offset in Offsets::new(2, 16 << 20).take(100) {
            file.write(offset).expect("our device can be written");
            file.read(offset).expect("our device can be read");
        }
        for offset in Offsets::new(3, 16 << 20).take(20) {
            file.write(offset).expect("our device can be written");
            file.flush().expect("our device can be flushed");
        }
    }

    // `quiet` compares the sums of every stream.
    let scrape = quiet(&daemon);
    let lives = scrape.requests(name, "read");
    assert!(lives >= 400, "{lives} reads");
    // Every read had a start and an issue, so that no phase of a judged one is unknown.
    for phase in ["queue", "device", "total"] {
        assert_eq!(scrape.phase_unknown(name, "read", phase), 0, "{phase}");
        assert_eq!(scrape.measured(name, "read", phase), lives - scrape.unjudged(name, "read"));
    }
    // Eighty flushes were asked for, each a write of no bytes that only waits for a flush.
    let unseen = scrape.unjudged(name, "write");
    assert!(scrape.measured(name, "write", "flush") + unseen >= 80);
    assert!(scrape.nanoseconds(name, "write", "flush") > 0.0);
}

#[test]
fn phases_add_up_in_a_life_with_a_retry() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    device.truncate(6144);
    let daemon = Daemon::start(&["--start-events"]);
    let mut file = DirectFile::open(device.path(), 16384);
    file.read(0).err();
    quiet(&daemon);
    let entries = daemon.all_mismatches(device.name());
    let failed = entries
        .iter()
        .find(|entry| entry.kind() == "io_error")
        .unwrap_or_else(|| panic!("no I/O error: {entries:?}"));
    let phases = failed.phases();
    let total = phases["total"];
    let parts: f64 =
        phases.iter().filter(|(phase, _)| **phase != "total").map(|(_, value)| value).sum();
    assert!((total - parts).abs() <= ROUNDING, "{phases:?}");
    assert!(phases["retry"] > 0.0, "the second attempt is not seen: {phases:?}");
    assert!(phases["queue"] > 0.0, "the start is not seen: {phases:?}");
}
