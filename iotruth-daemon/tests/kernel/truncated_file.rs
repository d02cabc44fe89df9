//! A loop device whose file was cut: a short transfer, a second attempt, an I/O error.

use std::process;

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice, tmpfs::Tmpfs,
    turn::turn,
};

#[test]
fn the_error_is_shown_and_the_short_transfer_is_information() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    device.truncate(6144);
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::open(device.path(), 16384);
    let read = file.read(0);
    assert!(!matches!(read, Ok(16384)), "the read went well: {read:?}");
    let scrape = quiet(&daemon);

    // By default: the error, and nothing else on the whole machine.
    let shown = daemon.mismatches();
    let [error] = shown.as_slice() else { panic!("one entry was to be shown: {shown:?}") };
    assert_eq!((error.device(), error.kind()), (device.name(), "io_error"));
    assert_eq!((error.severity(), error.operation()), ("critical", "read"));
    // 6144 bytes are 12 sectors; what was tried again and failed is the rest.
    assert_eq!((error.sector(), error.bytes()), (Some(12), 16384 - 6144), "{error:?}");
    let (process, _) = error.owner().unwrap_or_else(|| panic!("no owner: {error:?}"));
    assert_eq!(process, u64::from(process::id()));
    let events = error.events();
    assert_eq!(events, ["issue", "complete", "requeue", "insert", "issue", "complete"]);

    let all = daemon.all_mismatches(device.name());
    let mut kinds: Vec<_> = all.iter().map(|entry| (entry.kind(), entry.severity())).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            ("io_error", "critical"),
            ("partial_completion", "info"),
            ("requeue_short_transfer", "info")
        ]
    );
    let labels = [("device", device.name()), ("class", "short_transfer")];
    assert_eq!(scrape.existing("iotruth_requeues_total", &labels), 1);
    let labels = [("device", device.name()), ("op", "read"), ("error", "io")];
    assert_eq!(scrape.existing("iotruth_request_errors_total", &labels), 1);
    assert_eq!(scrape.requests(device.name(), "read"), 1);
    assert_eq!(scrape.bytes(device.name(), "read"), 6144);
}

#[test]
fn a_write_without_room_is_an_error_of_its_own_class() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(2);
    let file = tmpfs.file("disk", 8 << 20);
    let device = LoopDevice::over(&file, &["--direct-io=on"]);
    tmpfs.seal();
    let daemon = Daemon::start(&[]);
    let mut disk = DirectFile::open(device.path(), 4096);
    let written = disk.write(1 << 20);
    assert!(written.is_err(), "there was room: {written:?}");
    let scrape = quiet(&daemon);
    let shown = daemon.mismatches();
    let [error] = shown.as_slice() else { panic!("one entry was to be shown: {shown:?}") };
    assert_eq!((error.device(), error.kind()), (device.name(), "io_error"));
    assert_eq!((error.sector(), error.bytes()), (Some(2048), 4096));
    let labels = [("device", device.name()), ("op", "write"), ("error", "nospc")];
    assert_eq!(scrape.existing("iotruth_request_errors_total", &labels), 1);
}
