//! A request whose end nobody saw, on a device that is not used any more.

use std::{thread, time::Duration};

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, inflight::in_flight,
    loop_device::LoopDevice, patience::wait_for, turn::turn,
};

/// The daemon is told not to see the first completion of so many bytes.
const UNSEEN: usize = 37 * 512;

#[test]
fn a_request_whose_end_nobody_saw_is_found_to_be_over_without_being_used_again() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let name = device.name();
    let daemon = Daemon::start(&["--fault", "unseen-completion"]);
    let mut file = DirectFile::open(device.path(), UNSEEN);
    assert_eq!(file.read(0).expect("our device can be read"), UNSEEN);
    // Nothing else is asked of the device, so only memory can tell that its request is free.
    let scrape = wait_for("the request to be found free", || {
        let scrape = daemon.scrape();
        if scrape.requests(name, "read") == 1 { Ok(scrape) } else { Err("it is open".to_owned()) }
    });
    assert_eq!(scrape.bytes(name, "read"), UNSEEN as u64);
    assert_eq!(scrape.unjudged_for(name, "inferred"), 1);
    assert_eq!((scrape.unjudged(name, "read"), scrape.mismatches(name)), (1, 0));
    assert!(scrape.existing("iotruth_lives_inferred_total", &[]) >= 1);
    // The books hold, and it stays so.
    thread::sleep(Duration::from_secs(2));
    let scrape = quiet(&daemon);
    assert_eq!(scrape.requests(name, "read"), 1);
    assert_eq!(scrape.counted_losses(), 0, "nobody counts such a loss");
    assert_eq!(scrape.existing("iotruth_inflight", &[("device", name)]), 0);
    assert!(in_flight(&daemon, name).is_empty());
    assert!(daemon.all_mismatches(name).is_empty());
}
