//! A sector that cannot be read.

use crate::{
    harness::{daemon::Daemon, direct_io::DirectFile, turn::turn},
    scsi_debug::{self, MEDIUM_ERROR, ScsiDebug},
    strict::{exactly, strict},
};

/// The first sector that `scsi_debug` fails.
const BAD: u64 = 0x1234;

#[test]
fn a_medium_error_is_told_once_with_its_sector() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    let name = disk.name();
    let daemon = Daemon::start(&[]);
    scsi_debug::inject(MEDIUM_ERROR, 0);
    let mut file = DirectFile::open(&disk.path(), 4096);
    let bad = BAD / 8 * 4096;
    file.read(bad - 4096).expect("what is before it is sound");
    file.read(bad + (8 << 20)).expect("what is behind it is sound");
    file.read(bad).expect_err("half of this is bad");
    scsi_debug::behave();
    // What is before the bad sector is lost with it: the driver transfers nothing.
    let scrape = strict(&daemon, &[(name, "io_error", exactly(1))]);
    scrape.expect(name, "read", 3, 2 * 4096);
    let labels = [("device", name), ("op", "read"), ("error", "medium")];
    assert_eq!(scrape.existing("iotruth_request_errors_total", &labels), 1);
    let shown = daemon.mismatches();
    let [entry] = shown.as_slice() else { panic!("one entry: {shown:?}") };
    assert_eq!((entry.sector(), entry.bytes()), (Some(bad / 512), 4096));
}
