//! A device that sends requests back because it is busy.

use crate::{
    harness::{daemon::Daemon, load::Load, turn::turn},
    kernel,
    null_blk::NullBlk,
    strict::strict,
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
    // The driver of 6.12 looks whether it may before it starts a request, that of 6.1 after it.
    let class = if kernel::since(6, 12) { "busy_before_start" } else { "busy_after_start" };
    let kind = format!("requeue_{class}");
    let scrape = strict(&daemon, &[(name, &kind, 1..=reads)]);
    scrape.expect(name, "read", reads, reads * 4096);
    let labels = [("device", name), ("class", class)];
    let events = scrape.existing("iotruth_requeues_total", &labels);
    assert_eq!(scrape.existing("iotruth_requeues_total", &[]), events, "and no other class");
    assert!(scrape.nanoseconds(name, "read", "total") > 0.0);
    assert_eq!(daemon.mismatches().len(), 0, "a busy device is no incident");
}
