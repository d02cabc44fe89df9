//! A command without an answer, which error handling takes back and sends again.

use crate::{
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        turn::turn,
    },
    kernel,
    scsi_debug::{self, NO_ANSWER, ScsiDebug},
    strict::{exactly, strict_but},
};

/// How long the kernel waits for an answer, in seconds.
const TIMEOUT: u64 = 2;

#[test]
fn a_command_that_is_taken_back_is_told_and_ends_well() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    let name = disk.name();
    disk.set("device/timeout", &TIMEOUT.to_string());
    let daemon = Daemon::start(kernel::SECOND_PROGRAMS);
    scsi_debug::inject(NO_ANSWER, 6);
    let mut file = DirectFile::open(&disk.path(), 4096);
    // Five answers, and one more attempt.
    let reads = 6;
    for offset in Offsets::new(1, 64 << 20).take(reads as usize) {
        file.read(offset).expect("the second attempt is answered");
    }
    scsi_debug::behave();
    // Since 6.19 the driver sends a command of its own to take one back, here two of them, and
    // `scsi_complete` ends such a command without a completion event.
    let endless = if kernel::since(6, 19) { 2 } else { 0 };
    let provoked = ["requeue_timeout", "recovered"].map(|kind| (name, kind, exactly(1)));
    let scrape = strict_but(&daemon, &provoked, endless);
    scrape.expect(name, "read", reads, reads * 4096);
    assert_eq!(scrape.count("iotruth_request_errors_total", &[]), 0);
    scrape.equal("retry", scrape.measured(name, "read", "retry"), 1);
    let waited = scrape.nanoseconds(name, "read", "retry");
    assert!(waited >= TIMEOUT as f64 * 1e9, "sent again after {waited} ns");
    let shown = daemon.mismatches();
    let [entry] = shown.as_slice() else { panic!("one entry: {shown:?}") };
    assert_eq!((entry.severity(), entry.operation(), entry.bytes()), ("critical", "read", 4096));
}
