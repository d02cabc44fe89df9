//! Flush sequences of a device with a write cache.

use crate::{
    harness::{books::quiet, daemon::Daemon, direct_io::DirectFile, turn::turn},
    null_blk::NullBlk,
};

#[test]
fn every_flush_has_its_latency() {
    let _turn = turn();
    for irqmode in ["2", "0"] {
        let cached = [("irqmode", irqmode), ("memory_backed", "1"), ("cache_size", "4")];
        let device = NullBlk::new(&cached);
        let name = device.name();
        let daemon = Daemon::start(&[]);
        let mut file = DirectFile::open(&device.path(), 4096);
        for block in 0..50 {
            file.write(block * 8192).expect("the device can be written");
            file.flush().expect("the device can be flushed");
        }
        let scrape = quiet(&daemon);
        assert_eq!(scrape.requests(name, "write"), 100, "fifty with data, fifty flushes");
        assert_eq!(scrape.bytes(name, "write"), 50 * 4096);
        assert_eq!(scrape.measured(name, "write", "flush"), 50);
        assert_eq!(scrape.requests(name, "flush"), 50);
        assert_eq!(scrape.measured(name, "flush", "device"), 50);
        assert_eq!(scrape.unjudged(name, "write") + scrape.unjudged(name, "flush"), 0);
        assert_eq!(daemon.mismatches().len(), 0);
        assert_eq!(scrape.count("iotruth_events_lost_total", &[]), 0, "lost by any counter");
    }
}
