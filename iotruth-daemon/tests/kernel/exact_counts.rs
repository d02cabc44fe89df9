//! Every request is counted, once, with its bytes, under every I/O scheduler.

use crate::harness::{
    books::{balanced, quiet},
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    diskstats::DiskStats,
    loop_device::LoopDevice,
    settle::{Counts, settle},
    turn::turn,
    witness::Witness,
};

/// Reads, and as many writes, for each scheduler.
const EACH: usize = 1_000;

#[test]
fn reads_and_writes_are_counted_exactly_under_every_scheduler() {
    let _turn = turn();
    let device = LoopDevice::new(16);
    let name = device.name();
    let witness = Witness::new();
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::open(device.path(), 4096);
    let before = quiet(&daemon);
    let disk = DiskStats::of(name);
    let mut expected =
        Counts { reads: before.requests(name, "read"), writes: before.requests(name, "write") };
    let mut offsets = Offsets::new(1, 16 << 20);

    for scheduler in ["none", "mq-deadline", "kyber", "bfq"] {
        device.set_scheduler(scheduler);
        for offset in offsets.by_ref().take(EACH) {
            file.write(offset).expect("our device can be written");
        }
        for offset in offsets.by_ref().take(EACH) {
            file.read(offset).expect("our device can be read");
        }
        expected.reads += EACH as u64;
        expected.writes += EACH as u64;
        let scrape = settle(&daemon, &device, &mut expected);
        let kernel = DiskStats::of(name).since(disk);
        let reads = scrape.requests(name, "read") - before.requests(name, "read");
        let writes = scrape.requests(name, "write") - before.requests(name, "write");
        assert_eq!((reads, writes), (kernel.reads, kernel.writes), "{scheduler}: diskstats");
        balanced(&scrape);
    }

    let after = quiet(&daemon);
    let reads = expected.reads - before.requests(name, "read");
    let writes = expected.writes - before.requests(name, "write");
    // The bytes of an end that was not seen are those that were asked for.
    assert_eq!(after.bytes(name, "read") - before.bytes(name, "read"), reads * 4096);
    assert_eq!(after.bytes(name, "write") - before.bytes(name, "write"), writes * 4096);
    assert_eq!(after.mismatches(name), 0, "{:?}", daemon.all_mismatches(name));
    assert_eq!(after.counted_losses(), 0);
    // With the scheduler none there is no insert, and that alone makes no life doubtful.
    let inferred = after.unjudged_for(name, "inferred");
    let unjudged = after.unjudged(name, "read") + after.unjudged(name, "write");
    assert_eq!(unjudged, inferred, "nothing but ends that the kernel did not show is unjudged");
    witness.confirm(name, inferred, reads + writes);
}
