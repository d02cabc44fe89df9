//! Started under load, the daemon soon knows every request.

use std::{thread, time::Duration};

use crate::harness::{
    books::{balanced, quiet, shown},
    daemon::Daemon,
    fio::Fio,
    loop_device::LoopDevice,
    turn::turn,
};

#[test]
fn after_one_second_no_life_is_pre_existing() {
    let _turn = turn();
    let device = LoopDevice::new(16);
    let reads = ["--rw=randread", "--bs=4k", "--size=16m", "--iodepth=32", "--numjobs=2"];
    let load = Fio::start(device.path(), &[&reads[..], &["--time_based", "--runtime=12"]].concat());
    thread::sleep(Duration::from_secs(1));
    let daemon = Daemon::start(&[]);
    thread::sleep(Duration::from_secs(1));
    shown(&daemon);
    let warm = daemon.scrape();
    balanced(&warm);
    load.finish();
    let after = quiet(&daemon);
    let name = device.name();
    let later = after.requests(name, "read") - warm.requests(name, "read");
    assert!(later > 0, "there was no load any more, nothing is tested");
    assert_eq!(
        after.unjudged_for(name, "pre_existing"),
        warm.unjudged_for(name, "pre_existing"),
        "of {later} later lives"
    );
    assert_eq!(after.mismatches(name), 0, "{:?}", daemon.all_mismatches(name));
}
