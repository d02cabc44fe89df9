//! Every request is counted and judged, under every I/O scheduler.

use crate::{
    harness::{
        books::quiet,
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        diskstats::DiskStats,
        turn::turn,
    },
    null_blk::NullBlk,
};

/// Reads, and as many writes, for each scheduler.
const EACH: u64 = 1_000;

#[test]
fn every_request_is_counted_and_judged() {
    let _turn = turn();
    // Completed by a timer interrupt, by a soft interrupt, and by the submitter.
    for (irqmode, queues) in [("2", "2"), ("1", "1"), ("0", "2")] {
        let device = NullBlk::new(&[("irqmode", irqmode), ("submit_queues", queues)]);
        let name = device.name();
        let daemon = Daemon::start(&["--start-events"]);
        let mut file = DirectFile::open(&device.path(), 4096);
        let mut offsets = Offsets::new(1, 64 << 20);
        for scheduler in ["none", "mq-deadline", "kyber", "bfq"] {
            device.set_scheduler(scheduler);
            let before = quiet(&daemon);
            let disk = DiskStats::of(name);
            for offset in offsets.by_ref().take(EACH as usize) {
                file.write(offset).expect("the device can be written");
            }
            for offset in offsets.by_ref().take(EACH as usize) {
                file.read(offset).expect("the device can be read");
            }
            let after = quiet(&daemon);
            let kernel = DiskStats::of(name).since(disk);
            assert_eq!((kernel.reads, kernel.writes), (EACH, EACH), "{scheduler}: the kernel");
            for op in ["read", "write"] {
                let what = format!("irqmode {irqmode}, {scheduler}, {op}");
                let requests = after.requests(name, op) - before.requests(name, op);
                assert_eq!(requests, EACH, "{what}: requests");
                let bytes = after.bytes(name, op) - before.bytes(name, op);
                assert_eq!(bytes, EACH * 4096, "{what}: bytes");
                for phase in ["queue", "device", "total"] {
                    let measured =
                        after.measured(name, op, phase) - before.measured(name, op, phase);
                    assert_eq!(measured, EACH, "{what}: {phase}");
                }
                assert_eq!(after.unjudged(name, op), 0, "{what}: unjudged");
            }
        }
        let after = quiet(&daemon);
        assert_eq!(after.mismatches(name), 0, "{:?}", daemon.all_mismatches(name));
        assert_eq!(after.count("iotruth_events_lost_total", &[]), 0, "lost by any counter");
        assert_eq!(after.existing("iotruth_lives_inferred_total", &[]), 0);
        assert_eq!(after.existing("iotruth_lives_open", &[]), 0);
    }
}
