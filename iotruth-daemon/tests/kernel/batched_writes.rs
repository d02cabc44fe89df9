//! Batches that merge: fewer requests than I/Os, and the books still balance.

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    diskstats::DiskStats,
    fio::Fio,
    loop_device::LoopDevice,
    settle::{Counts, settle},
    turn::turn,
};

#[test]
fn requests_and_merges_are_all_the_writes_that_were_submitted() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let name = device.name();
    let daemon = Daemon::start(&[]);
    for scheduler in ["mq-deadline", "bfq"] {
        device.set_scheduler(scheduler);
        let before = quiet(&daemon);
        let disk = DiskStats::of(name);
        let batches = ["--rw=randwrite", "--bs=4k", "--size=256k", "--io_size=16m"];
        let depth =
            ["--iodepth=64", "--iodepth_batch_submit=16", "--iodepth_batch_complete_min=16"];
        let done = Fio::start(device.path(), &[batches.as_slice(), &depth].concat()).finish();

        let kernel = DiskStats::of(name).since(disk);
        assert!(kernel.write_merges > 0, "{scheduler}: nothing was merged, nothing is tested");
        assert_eq!(kernel.writes + kernel.write_merges, done.writes, "{scheduler}: the kernel");
        let mut expected = Counts {
            reads: before.requests(name, "read"),
            writes: before.requests(name, "write") + kernel.writes,
        };
        let scrape = settle(&daemon, &device, &mut expected);
        let requests = scrape.requests(name, "write") - before.requests(name, "write");
        assert_eq!(requests + kernel.write_merges, done.writes, "{scheduler}: ours");
        let merged = scrape.merges(name, "write") - before.merges(name, "write");
        assert!(merged <= kernel.write_merges, "{scheduler}: {merged} merges of requests");
        let bytes = scrape.bytes(name, "write") - before.bytes(name, "write");
        assert_eq!((bytes, bytes), (done.written_bytes, kernel.written_bytes), "{scheduler}");
        let after = quiet(&daemon);
        assert_eq!(after.mismatches(name), 0, "{:?}", daemon.all_mismatches(name));
        assert_eq!(after.told_merges(name), after.merges(name, "write"), "{scheduler}");
        assert_eq!(after.counted_losses(), 0);
    }
}
