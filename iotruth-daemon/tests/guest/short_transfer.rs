//! A host that transfers only a part of what it was asked for.

use std::{thread, time::Duration};

use crate::{
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        patience::wait_for,
        turn::turn,
    },
    scsi_debug::{self, SHORT_TRANSFER, ScsiDebug},
    strict::{exactly, strict},
};

/// One command of so many is short.
const EVERY: u64 = 7;

/// Commands for one request that are a storm, with some in which a part of it was transferred.
const STORM: u64 = 1_100;

/// How long each of them takes.
const ANSWER: Duration = Duration::from_millis(1);

#[test]
fn the_rest_of_a_short_transfer_is_sent_again() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    let name = disk.name();
    let daemon = Daemon::start(&[]);
    scsi_debug::inject(SHORT_TRANSFER, EVERY as i32);
    let mut file = DirectFile::open(&disk.path(), 4096);
    let reads = 300;
    for offset in Offsets::new(1, 64 << 20).take(reads as usize) {
        assert_eq!(file.read(offset).expect("a part is no error"), 4096);
    }
    scsi_debug::behave();
    // The rest of each is a command too.
    let short = reads / (EVERY - 1);
    let times = short - 1..=short + 1;
    let provoked =
        [(name, "partial_completion", times.clone()), (name, "requeue_short_transfer", times)];
    let scrape = strict(&daemon, &provoked);
    scrape.expect(name, "read", reads, reads * 4096);
}

#[test]
fn a_request_that_gets_nowhere_is_one_life() {
    let _turn = turn();
    let hosts = ScsiDebug::new(1);
    let disk = hosts.disk(0);
    let name = disk.name();
    let daemon = Daemon::start(&[]);
    // Two CPUs would be busy with sending it back and forth, and a guest has no time for as many events as
    // they can make.
    scsi_debug::answer_after(ANSWER.as_nanos() as u64);
    // From the next command on every one of them is short, so that nothing is left to halve.
    scsi_debug::inject(SHORT_TRANSFER, -1);
    let mut file = DirectFile::open(&disk.path(), 4096);
    let before = disk.commands();
    let reader = thread::spawn(move || file.read(1 << 20));
    // The kernel is asked, and not the daemon, which shows it later.
    wait_for("it to be sent back over and over", || {
        let during = disk.commands() - before;
        if during > STORM { Ok(()) } else { Err(format!("{during} times so far")) }
    });
    scsi_debug::behave();
    assert_eq!(reader.join().unwrap().expect("it ends at last"), 4096);
    // Halved until a sector is left, and then without anything.
    let kinds = [
        "partial_completion",
        "requeue_short_transfer",
        "requeue_retry",
        "requeue_storm",
        "recovered",
    ];
    let provoked = kinds.map(|kind| (name, kind, exactly(1)));
    let scrape = strict(&daemon, &provoked);
    scrape.expect(name, "read", 1, 4096);
}
