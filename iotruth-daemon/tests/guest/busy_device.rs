//! A device that sends requests back because it is busy.

use crate::{
    harness::{books::quiet, daemon::Daemon, load::Load, turn::turn},
    null_blk::NullBlk,
};

#[test]
fn requests_that_come_back_are_information_and_end_once() {
    let _turn = turn();
    // Throttled by the driver, which then refuses requests before it starts them.
    let slow = [("irqmode", "2"), ("mbps", "1"), ("memory_backed", "1")];
    let device = NullBlk::new(&slow);
    let name = device.name();
    let daemon = Daemon::start(&[]);
    let load = Load::start(&device.path(), 64 << 20, 4);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let reads = load.stop();
    let scrape = quiet(&daemon);
    let labels = [("device", name), ("class", "busy_before_start")];
    assert!(scrape.existing("iotruth_requeues_total", &labels) > 0, "nothing was sent back");
    assert_eq!(scrape.requests(name, "read"), reads);
    assert_eq!(scrape.unjudged(name, "read"), 0);
    assert!(scrape.nanoseconds(name, "read", "total") > 0.0);
    assert_eq!(daemon.mismatches().len(), 0, "a busy device is no incident");
    let all = daemon.all_mismatches(name);
    assert!(all.iter().all(|entry| entry.kind() == "requeue_busy_before_start"), "{all:?}");
    assert_eq!(scrape.count("iotruth_events_lost_total", &[]), 0, "lost by any counter");
}
