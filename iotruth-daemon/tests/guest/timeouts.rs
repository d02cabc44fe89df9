//! A device that does not answer in time.

use std::fs;

use crate::{
    harness::{books::quiet, daemon::Daemon, direct_io::DirectFile, turn::turn},
    kernel,
    null_blk::NullBlk,
};

#[test]
fn a_request_without_an_answer_is_timed_out() {
    let _turn = turn();
    // It answers after three seconds, and the kernel waits for one.
    let slow = [("irqmode", "2"), ("completion_nsec", "3000000000")];
    let device = NullBlk::new(&slow);
    let name = device.name();
    fs::write(format!("/sys/block/{name}/queue/io_timeout"), "1000").unwrap();
    let daemon = Daemon::start(kernel::SECOND_PROGRAMS);
    let mut file = DirectFile::open(&device.path(), 4096);
    file.read(1 << 20).expect_err("the answer comes too late");
    let scrape = quiet(&daemon);
    let shown = daemon.mismatches();
    let [entry] = shown.as_slice() else { panic!("one entry was to be shown: {shown:?}") };
    assert_eq!((entry.device(), entry.kind()), (name, "timed_out"));
    assert_eq!((entry.severity(), entry.operation()), ("critical", "read"));
    assert_eq!((entry.sector(), entry.bytes()), (Some(2048), 4096));
    let labels = [("device", name), ("op", "read"), ("error", "timeout")];
    assert_eq!(scrape.existing("iotruth_request_errors_total", &labels), 1);
    assert_eq!(scrape.unjudged(name, "read"), 0);
}
