//! Request-based device mapper: clones of requests on two paths, one of which fails.

use std::{thread, time::Duration};

use crate::{
    harness::{daemon::Daemon, load::Load, turn::turn},
    mapper::Mapped,
    scsi_debug::{self, HOST_BUSY, ScsiDebug},
    strict::{Provoked, strict},
};

/// A device over both disks; whatever fails on one is sent to the other.
fn multipath(hosts: &ScsiDebug) -> Mapped {
    let [one, two] = [0, 1].map(|host| hosts.disk(host).attribute("dev"));
    let sectors = hosts.disk(0).attribute("size").parse().unwrap();
    // One feature, no hardware handler; one group of paths, used in turn.
    let parameters = format!("1 queue_if_no_path 0 1 1 round-robin 0 2 1 {one} 1 {two} 1");
    Mapped::new("paths", sectors, "multipath", &parameters)
}

#[test]
fn every_request_is_counted_once_above_and_once_below() {
    let _turn = turn();
    let hosts = ScsiDebug::new(2);
    let device = multipath(&hosts);
    let name = device.disk().name();
    let daemon = Daemon::start(&[]);
    let load = Load::start(&device.disk().path(), 64 << 20, 4);
    thread::sleep(Duration::from_secs(1));
    let reads = load.stop();
    let scrape = strict(&daemon, &[]);
    let below = |host: usize| scrape.requests(hosts.disk(host).name(), "read");
    scrape.expect(name, "read", reads, reads * 4096);
    scrape.equal("below", below(0) + below(1), reads);
    assert!(below(0) > 0 && below(1) > 0, "{} and {}", below(0), below(1));
}

#[test]
fn clones_that_a_busy_host_refuses_are_no_errors() {
    let _turn = turn();
    let hosts = ScsiDebug::new(2);
    let device = multipath(&hosts);
    let name = device.disk().name();
    let daemon = Daemon::start(&[]);
    scsi_debug::inject(HOST_BUSY, 5);
    let load = Load::start(&device.disk().path(), 64 << 20, 4);
    thread::sleep(Duration::from_secs(1));
    let reads = load.stop();
    scsi_debug::behave();
    let any = || 0..=u64::MAX;
    let [one, two] = [0, 1].map(|host| hosts.disk(host).name());
    let provoked: [Provoked<'_>; 6] = [
        (one, "requeue_busy_after_start", any()),
        (one, "requeue_busy_before_start", any()),
        (two, "requeue_busy_after_start", any()),
        (two, "requeue_busy_before_start", any()),
        // Device mapper sends the original back when its clone could not be dispatched.
        (name, "requeue_busy_after_start", any()),
        (name, "requeue_busy_before_start", any()),
    ];
    let scrape = strict(&daemon, &provoked);
    scrape.expect(name, "read", reads, reads * 4096);
    let below = scrape.requests(one, "read") + scrape.requests(two, "read");
    scrape.equal("below", below, reads);
    assert!(scrape.existing("iotruth_requeues_total", &[]) > 0, "nothing was sent back");
}

#[test]
fn what_an_offline_path_refuses_goes_another_way() {
    let _turn = turn();
    let hosts = ScsiDebug::new(2);
    let device = multipath(&hosts);
    let name = device.disk().name();
    let [one, two] = [0, 1].map(|host| hosts.disk(host).name());
    let daemon = Daemon::start(&[]);
    let load = Load::start(&device.disk().path(), 64 << 20, 4);
    thread::sleep(Duration::from_millis(500));
    hosts.disk(0).set("device/state", "offline\n");
    thread::sleep(Duration::from_secs(1));
    let reads = load.stop();
    // The path refuses a clone by an answer to device mapper and not by an event. The original then
    // comes back with the error of its clone, or at once where the path was found to be blocked, and
    // is sent to the other path.
    let provoked = [
        (name, "requeue_retry", 1..=16),
        (name, "recovered", 1..=16),
        (name, "requeue_busy_after_start", 0..=16),
    ];
    let scrape = strict(&daemon, &provoked);
    scrape.expect(name, "read", reads, reads * 4096);
    let below = scrape.requests(one, "read") + scrape.requests(two, "read");
    scrape.equal("below", below, reads);
    assert_eq!(scrape.count("iotruth_request_errors_total", &[]), 0, "nobody was told of an error");
    hosts.disk(0).set("device/state", "running\n");
}
