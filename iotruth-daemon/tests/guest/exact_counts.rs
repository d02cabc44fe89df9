//! Every request is counted and judged, under every I/O scheduler, with and without start events and
//! second programs.

use crate::{
    harness::{
        books::quiet,
        daemon::{Daemon, transport},
        direct_io::{DirectFile, Offsets},
        diskstats::DiskStats,
        turn::turn,
    },
    kernel,
    null_blk::NullBlk,
};

/// Reads, and as many writes, for each scheduler.
const MANY: u64 = 1_000;

/// The same for the modes of completion that differ in little.
const FEW: u64 = 250;

/// Arguments of the daemon.
const NONE: &[&str] = &[];
const STARTS: &[&str] = &["--start-events"];

#[test]
fn every_request_is_counted_and_judged() {
    let _turn = turn();
    // Completed by a timer interrupt, by a soft interrupt, and by the submitter.
    for (irqmode, queues, flags, each) in [
        ("2", "2", NONE, MANY),
        ("2", "2", STARTS, FEW),
        ("2", "2", kernel::SECOND_PROGRAMS, FEW),
        ("1", "1", NONE, FEW),
        ("0", "2", NONE, FEW),
    ] {
        let device = NullBlk::new(&[("irqmode", irqmode), ("submit_queues", queues)]);
        counted_and_judged(&device, flags, each, &format!("irqmode {irqmode}, {flags:?}"));
    }
}

fn counted_and_judged(device: &NullBlk, flags: &[&str], each: u64, mode: &str) {
    let name = device.name();
    let starts = flags == STARTS;
    let daemon = Daemon::start(flags);
    if let Some(transport) = transport() {
        assert_eq!(daemon.status().transport(), transport, "{mode}");
    }
    let second = ("program", "block_rq_complete_second");
    let attached = daemon.scrape().count("iotruth_program_attached", &[second]) == 1;
    let asked = flags == kernel::SECOND_PROGRAMS && kernel::guards_recursion();
    assert_eq!(attached, asked || kernel::preempts_programs(), "{mode}: second programs");
    let mut file = DirectFile::open(&device.path(), 4096);
    let mut offsets = Offsets::new(1, 64 << 20);
    let mut before = quiet(&daemon);
    for scheduler in ["none", "mq-deadline", "kyber", "bfq"] {
        device.set_scheduler(scheduler);
        let disk = DiskStats::of(name);
        for offset in offsets.by_ref().take(each as usize) {
            file.write(offset).expect("the device can be written");
        }
        for offset in offsets.by_ref().take(each as usize) {
            file.read(offset).expect("the device can be read");
        }
        let after = quiet(&daemon);
        let kernel = DiskStats::of(name).since(disk);
        assert_eq!((kernel.reads, kernel.writes), (each, each), "{mode}, {scheduler}: the kernel");
        for op in ["read", "write"] {
            let what = format!("{mode}, {scheduler}, {op}");
            let requests = after.requests(name, op) - before.requests(name, op);
            assert_eq!(requests, each, "{what}: requests");
            let bytes = after.bytes(name, op) - before.bytes(name, op);
            assert_eq!(bytes, each * 4096, "{what}: bytes");
            for phase in ["queue", "device", "total"] {
                // Without a scheduler nothing is inserted: only a start tells when waiting began.
                // Before 6.3 `blkdev_write_iter` plugs, and a task that goes to sleep with a plug
                // inserts what is in it.
                let inserted = scheduler != "none" || (op == "write" && !kernel::since(6, 3));
                let begun = inserted || (starts && kernel::has_starts());
                let unseen = phase == "queue" && !begun;
                let expected = if unseen { (0, each) } else { (each, 0) };
                let measured = after.measured(name, op, phase) - before.measured(name, op, phase);
                let unknown =
                    after.phase_unknown(name, op, phase) - before.phase_unknown(name, op, phase);
                assert_eq!((measured, unknown), expected, "{what}: {phase}");
            }
            assert_eq!(after.unjudged(name, op), 0, "{what}: unjudged");
        }
        before = after;
    }
    let after = before;
    assert_eq!(after.mismatches(name), 0, "{mode}: {:?}", daemon.all_mismatches(name));
    assert_eq!(after.count("iotruth_events_lost_total", &[]), 0, "{mode}: lost by any counter");
    assert_eq!(after.existing("iotruth_lives_inferred_total", &[]), 0, "{mode}");
    assert_eq!(after.existing("iotruth_lives_open", &[]), 0, "{mode}");
}
