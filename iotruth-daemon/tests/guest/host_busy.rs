//! A host that refuses commands because it is busy.

use crate::{
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        load::Load,
        turn::turn,
    },
    kernel,
    scsi_debug::{self, HOST_BUSY, ScsiDebug},
    strict::strict,
};

/// Reads one by one.
const READS: u64 = 400;

/// One command of so many is refused.
const EVERY: u64 = 5;

#[test]
fn what_a_busy_host_refuses_comes_back_and_ends_once() {
    let _turn = turn();
    for scheduler in ["none", "mq-deadline"] {
        let hosts = ScsiDebug::new(1);
        let disk = hosts.disk(0);
        disk.set("queue/scheduler", scheduler);
        let name = disk.name();
        let daemon = Daemon::start(kernel::SECOND_PROGRAMS);
        scsi_debug::inject(HOST_BUSY, EVERY as i32);
        let mut file = DirectFile::open(&disk.path(), 4096);
        for offset in Offsets::new(1, 64 << 20).take(READS as usize) {
            file.read(offset).expect("what is refused is tried again");
        }
        // The driver had started each of them; every fifth attempt and its repetition are one of
        // four reads.
        let refused = READS / (EVERY - 1);
        let after = refused - 1..=refused + 1;
        // A host that was busy is left alone for a while: what comes meanwhile is not started.
        let before = 0..=refused * 8;
        let provoked = [
            (name, "requeue_busy_after_start", after),
            (name, "requeue_busy_before_start", before),
        ];
        let scrape = strict(&daemon, &provoked);
        scrape.expect(name, "read", READS, READS * 4096);
        let events = |class| {
            scrape.existing("iotruth_requeues_total", &[("device", name), ("class", class)])
        };
        assert!(events("busy_after_start").abs_diff(refused) <= 1, "{scheduler}");

        // And from several threads at once.
        let load = Load::start(&disk.path(), 64 << 20, 4);
        std::thread::sleep(std::time::Duration::from_secs(1));
        let reads = load.stop();
        scsi_debug::behave();
        let any = 1..=READS + reads;
        let provoked = [
            (name, "requeue_busy_after_start", any.clone()),
            (name, "requeue_busy_before_start", any),
        ];
        let scrape = strict(&daemon, &provoked);
        let all = READS + reads;
        scrape.expect(name, "read", all, all * 4096);
        assert_eq!(scrape.count("iotruth_request_errors_total", &[]), 0, "{scheduler}");
    }
}
