//! A ring that is far too small: most is lost, all loss is told, nothing is invented.

use std::collections::BTreeSet;

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, fio::Fio, loop_device::LoopDevice,
    patience::wait_for, turn::turn,
};

#[test]
fn loss_is_counted_and_a_real_error_is_still_shown() {
    let _turn = turn();
    let busy = LoopDevice::new(16);
    let broken = LoopDevice::new(64);
    broken.truncate(0);
    let daemon = Daemon::start(&["--rings", "1", "--ring-budget", "4096"]);
    // A page has room for thirty records, and this is several times what can be drained in time.
    let reads = ["--rw=randread", "--bs=4k", "--size=16m", "--iodepth=32", "--rate_iops=20000"];
    let load = Fio::start(busy.path(), &[&reads[..], &["--time_based", "--runtime=4"]].concat());

    // An error whose own record is lost cannot be shown, so there are many, each at its own place.
    let mut file = DirectFile::open(broken.path(), 4096);
    let mut injected = BTreeSet::new();
    wait_for("an I/O error to be shown", || {
        for _ in 0..20 {
            let sector = injected.len() as u64 * 8;
            file.read(sector * 512).expect_err("there is nothing to read");
            injected.insert(sector);
        }
        let shown = daemon.mismatches();
        if shown.is_empty() { Err(format!("{} injected", injected.len())) } else { Ok(()) }
    });
    let done = load.finish();
    let scrape = quiet(&daemon);

    let lost = scrape.existing("iotruth_events_lost_total", &[("reason", "ring_full")]);
    let received = scrape.existing("iotruth_events_total", &[]);
    assert!(lost * 4 > received, "{lost} lost, {received} received: that is hardly any loss");
    let consistent = scrape.measured(busy.name(), "read", "total");
    assert!(consistent * 100 >= done.reads, "{consistent} of {} lives were judged", done.reads);
    assert_eq!(scrape.mismatches(busy.name()), 0, "{:?}", daemon.all_mismatches(busy.name()));
    for entry in [daemon.mismatches(), daemon.all_mismatches(broken.name())].concat() {
        assert_eq!((entry.device(), entry.kind()), (broken.name(), "io_error"), "{entry:?}");
        let sector = entry.sector().unwrap_or(u64::MAX);
        assert!(injected.contains(&sector), "not provoked: {entry:?}");
        assert_eq!((entry.bytes(), entry.count()), (4096, 1), "{entry:?}");
    }
}
