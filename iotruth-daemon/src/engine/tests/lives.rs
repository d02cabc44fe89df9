//! Single lives and what is told of them.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use iotruth_common::probe::Probe;

use super::{DISCARD, FLUSH, IOERR, READ, WRITE, figures, kinds, snapshot};
use crate::engine::{
    Policy, Starts,
    flavor::Flavor,
    io_error::IoError,
    kind::Kind,
    operation::Operation,
    phase::Phase,
    synthetic::{DISK, Kernel},
};

#[test]
fn ordinary_lives_are_consistent() {
    let mut kernel = Kernel::new();
    for number in 0..10 {
        kernel.ordinary(0x40 * (number % 3), READ, number * 8, false);
        kernel.ordinary(0x4000, WRITE, number * 8, true);
    }
    let snapshot = snapshot(&mut kernel);
    let reads = figures(&snapshot, Operation::Read);
    assert_eq!((reads.requests, reads.bytes), (10, 40_960));
    assert_eq!(reads.phase_unknown[Phase::Queue as usize], 10);
    assert_eq!(reads.phases[Phase::Device as usize].as_ref().unwrap().sum(), 300_000);
    let writes = figures(&snapshot, Operation::Write);
    assert_eq!(writes.phases[Phase::Queue as usize].as_ref().unwrap().sum(), 20_000);
    assert_eq!(snapshot.lives.judged, 20);
    assert!(snapshot.mismatches.is_empty());
}

#[test]
fn a_driver_that_ends_a_part_itself_transfers_short_as_well() {
    // As ublk: `blk_update_request`, and then `blk_mq_requeue_request`.
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 0, 16_384);
    rq.ends_in_flight = true;
    kernel.issue(&mut rq);
    kernel.after(10).complete(&mut rq, 6144, 0);
    kernel.after(10).plain(Probe::Requeue, &mut rq);
    kernel.after(10).issue(&mut rq);
    kernel.after(10).complete(&mut rq, 10_240, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::RequeueShortTransfer, Kind::PartialCompletion]);
    assert_eq!(snapshot.devices[&DISK].requeues, [0, 0, 0, 1, 0]);
}

#[test]
fn a_request_that_lost_its_bios_has_transferred_nothing() {
    // `blkfront_resume`: the bios are sent again, with other requests.
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 0, 4096);
    kernel.issue(&mut rq);
    rq.bio = false;
    kernel.complete(&mut rq, 4096, 0);
    let snapshot = snapshot(&mut kernel);
    let reads = figures(&snapshot, Operation::Read);
    assert_eq!((reads.requests, reads.bytes), (1, 0));
}

#[test]
fn a_short_transfer_is_information_and_its_error_is_critical() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 0, 16_384);
    kernel.issue(&mut rq);
    kernel.after(10).complete(&mut rq, 6144, 0);
    kernel.after(10).plain(Probe::Requeue, &mut rq);
    kernel.after(10).insert(&mut rq);
    kernel.after(10).issue(&mut rq);
    kernel.after(10).complete(&mut rq, 10_240, IOERR);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(
        kinds(&snapshot),
        [Kind::RequeueShortTransfer, Kind::IoError, Kind::PartialCompletion]
    );
    let error = &snapshot.mismatches[1];
    assert_eq!((error.sector, error.bytes, error.bytes_done), (Some(12), 10_240, 6144));
    assert_eq!(error.asked, (Some(0), 16_384));
    assert_eq!(error.error, Some((IoError::Io, 10)));
    assert_eq!(error.owner.task.unwrap().name(), "fio");
    assert_eq!(error.timeline.events.len(), 6);
    assert_eq!((error.phases.retry, error.phases.device), (Some(40), Some(10)));
    assert_eq!(snapshot.devices[&DISK].requeues, [0, 0, 0, 1, 0]);
}

#[test]
fn an_error_is_told_of_the_part_that_failed_where_the_rest_ended_well() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(64, READ, 80, 4096);
    kernel.after(1_000).start(&mut rq);
    kernel.issue(&mut rq);
    // Of read-ahead that was merged with a read the device is asked once only.
    kernel.after(1_000).complete(&mut rq, 1024, 4);
    kernel.after(1_000).plain(Probe::Requeue, &mut rq);
    kernel.after(1_000).issue(&mut rq);
    kernel.after(1_000).complete(&mut rq, 3072, 0);
    kernel.audit();
    let snapshot = snapshot(&mut kernel);
    let error = snapshot.mismatches.iter().find(|mismatch| mismatch.kind == Kind::IoError);
    let error = error.unwrap();
    assert_eq!((error.sector, error.bytes), (Some(80), 1024));
    assert_eq!(error.asked, (Some(80), 4096));
}

#[test]
fn a_write_with_flushes_on_both_sides_adds_up() {
    let flavor = Flavor::linux_6_12();
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, WRITE | flavor.req.preflush | flavor.req.fua, 8, 4096);
    let mut flush = kernel.allocate(0x80, FLUSH | flavor.req.preflush, u64::MAX, 0);
    flush.bio = false;
    flush.worker = true;
    flush.rq_flags = flavor.rqf.flush_seq;
    kernel.start(&mut rq);
    rq.rq_flags = flavor.rqf.flush_seq;
    kernel.after(5).issue(&mut flush);
    kernel.after(100).complete(&mut flush, 0, 0);
    kernel.after(3).insert(&mut rq);
    kernel.after(4).issue(&mut rq);
    kernel.after(50).complete(&mut rq, 4096, 0);
    flush.state = 0;
    flush.allocated = kernel.now;
    kernel.after(6).issue(&mut flush);
    kernel.after(200).complete(&mut flush, 0, 0);
    rq.rq_flags = 0;
    kernel.complete(&mut rq, 0, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::FlushEmulated]);
    let phases = snapshot.mismatches[0].phases;
    assert_eq!(phases.queue, Some(7));
    assert_eq!(phases.device, Some(50));
    assert_eq!(phases.flush, Some(105 + 206));
    assert_eq!(phases.total, Some(368));
    assert_eq!(figures(&snapshot, Operation::Flush).requests, 2);
    assert_eq!(figures(&snapshot, Operation::Write).bytes, 4096);
}

#[test]
fn a_failing_flush_takes_its_waiters_with_it_and_is_told_once_each() {
    let flavor = Flavor::linux_6_12();
    let mut kernel = Kernel::new();
    let mut empty = kernel.allocate(0x40, WRITE | flavor.req.preflush | flavor.req.sync, 0, 0);
    let mut data = kernel.allocate(0xc0, WRITE | flavor.req.preflush, 64, 4096);
    let mut flush = kernel.allocate(0x80, FLUSH | flavor.req.preflush, u64::MAX, 0);
    flush.bio = false;
    flush.worker = true;
    kernel.start(&mut empty);
    kernel.after(1).start(&mut data);
    kernel.after(5).issue(&mut flush);
    kernel.after(100).complete(&mut flush, 0, IOERR);
    kernel.complete(&mut empty, 0, IOERR);
    data.cmd_flags = WRITE;
    kernel.complete(&mut data, 4096, IOERR);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::FlushFailed; 3]);
    // A worker issued the flush, on behalf of the one task that waited for it.
    assert!(snapshot.mismatches.iter().all(|entry| entry.owner.task.unwrap().pid == 42));
}

#[test]
fn without_starts_nobody_is_said_to_have_asked_for_a_flush() {
    let flavor = Flavor::linux_6_12();
    for (starts, pid) in
        [(Starts::All, Some(42)), (Starts::Flushes, Some(42)), (Starts::None, None)]
    {
        let mut kernel = Kernel::with(starts);
        // This one waits for the flush after its data. Others may wait, of whom nothing is seen.
        let mut data = kernel.allocate(0x40, WRITE | flavor.req.fua, 8, 4096);
        kernel.start(&mut data);
        data.rq_flags = flavor.rqf.flush_seq;
        kernel.after(5).issue(&mut data);
        kernel.after(5).complete(&mut data, 4096, 0);
        let mut flush = kernel.allocate(0x80, FLUSH, u64::MAX, 0);
        flush.bio = false;
        kernel.after(5).issue(&mut flush);
        kernel.after(5).complete(&mut flush, 0, IOERR);
        let snapshot = snapshot(&mut kernel);
        assert_eq!(kinds(&snapshot), [Kind::FlushFailed]);
        assert_eq!(snapshot.mismatches[0].owner.task.map(|task| task.pid), pid);
    }
}

#[test]
fn only_a_write_fails_with_the_flush_before_it() {
    for (cmd_flags, told) in [
        (READ, Kind::DispatchFailure),
        (DISCARD, Kind::DispatchFailure),
        (WRITE, Kind::FlushFailed),
    ] {
        let mut kernel = Kernel::with(Starts::None);
        for address in [0x40, 0x80] {
            kernel.ordinary(address, READ, 0, true);
        }
        let mut flush = kernel.allocate(0x80, FLUSH, u64::MAX, 0);
        flush.bio = false;
        kernel.issue(&mut flush);
        kernel.after(5).complete(&mut flush, 0, IOERR);
        // Right after the flush, on its CPU.
        let mut next = kernel.allocate(0x40, cmd_flags, 8, 4096);
        kernel.after(1).complete(&mut next, 4096, IOERR);
        assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::FlushFailed, told]);
    }
}

#[test]
fn a_refused_request_outside_a_flush_is_a_dispatch_failure() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.insert(&mut rq);
    kernel.after(10).complete(&mut rq, 4096, 16);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::DispatchFailure]);
    assert_eq!(snapshot.mismatches[0].error, Some((IoError::Offline, 16)));
    assert_eq!(snapshot.mismatches[0].phases.queue, Some(10));
}

#[test]
fn states_that_cannot_be_are_driver_bugs() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.after(5).issue(&mut rq);
    kernel.after(5).insert(&mut rq);
    kernel.after(5).complete(&mut rq, 4096, 0);
    let mut never = kernel.allocate(0x80, READ, 8, 4096);
    kernel.insert(&mut never);
    kernel.after(5).complete(&mut never, 4096, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(
        kinds(&snapshot),
        [Kind::DoubleStart, Kind::QueuedInFlight, Kind::CompletedWithoutStart]
    );
}

#[test]
fn no_sector_is_too_large() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, u64::MAX - 1, 8192);
    kernel.issue(&mut rq);
    kernel.after(5).complete(&mut rq, 4096, 0);
    kernel.after(5).complete(&mut rq, 4096, 0);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::PartialCompletion]);
}

#[test]
fn requeues_have_their_classes() {
    let flavor = Flavor::linux_6_12();
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.insert(&mut rq);
    kernel.after(1).plain(Probe::Requeue, &mut rq);
    kernel.after(1).issue(&mut rq);
    kernel.after(1).plain(Probe::Requeue, &mut rq);
    kernel.after(1).issue(&mut rq);
    rq.rq_flags = flavor.rqf.timed_out;
    kernel.after(1).plain(Probe::Requeue, &mut rq);
    rq.rq_flags = 0;
    kernel.after(1).issue(&mut rq);
    kernel.after(1).complete(&mut rq, 0, IOERR);
    kernel.after(1).plain(Probe::Requeue, &mut rq);
    kernel.after(1).issue(&mut rq);
    kernel.after(1).complete(&mut rq, 4096, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.devices[&DISK].requeues, [1, 1, 1, 0, 1]);
    let mut shown = kinds(&snapshot);
    shown.sort();
    assert_eq!(
        shown,
        [
            Kind::RequeueBusyBeforeStart,
            Kind::RequeueBusyAfterStart,
            Kind::RequeueRetry,
            Kind::RequeueTimeout,
            Kind::Recovered
        ]
    );
}

#[test]
fn merged_requests_end_without_a_request_of_their_own() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, WRITE, 8, 4096);
    kernel.insert(&mut rq);
    kernel.after(1).plain(Probe::Merge, &mut rq);
    let mut unseen = kernel.allocate(0x80, WRITE, 8, 4096);
    kernel.after(1).plain(Probe::Merge, &mut unseen);
    let mut grown = kernel.allocate(0x40, WRITE, 16, 4096);
    kernel.insert(&mut grown);
    (grown.sector, grown.len) = (8, 12_288);
    kernel.after(1).issue(&mut grown);
    kernel.after(1).complete(&mut grown, 12_288, 0);
    let snapshot = snapshot(&mut kernel);
    let writes = figures(&snapshot, Operation::Write);
    assert_eq!((writes.requests, writes.merges, writes.bytes), (1, 2, 12_288));
    // However many there are, they have one entry.
    assert_eq!(kinds(&snapshot), [Kind::Merged]);
    assert_eq!(snapshot.mismatches[0].count, 2);
    assert_eq!(snapshot.devices[&DISK].mismatches[Kind::Merged as usize], 2);
}

#[test]
fn a_second_completion_of_device_mapper_is_no_life() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.after(1).complete(&mut rq, 4096, 0);
    kernel.after(1).complete(&mut rq, 0, 0);
    assert_eq!(snapshot(&mut kernel).lives.opened, 1);
}

#[test]
fn a_path_that_gives_a_request_away_has_failed() {
    let drv = Flavor::linux_6_12().req.drv;
    for (flags, told) in [(drv, vec![Kind::PathFailover]), (0, vec![])] {
        let mut kernel = Kernel::with(Starts::None);
        let mut rq = kernel.allocate(0x40, READ | flags, 8, 4096);
        kernel.issue(&mut rq);
        rq.len = 0;
        rq.bio = false;
        kernel.after(10).complete(&mut rq, 0, 0);
        assert_eq!(kinds(&snapshot(&mut kernel)), told);
    }
}

#[test]
fn what_nvme_never_issued_is_no_loss() {
    for (name, judged) in [("nvme0n1", 2), ("sda", 1)] {
        let mut kernel = Kernel::with(Starts::None);
        kernel.ordinary(0x40, READ, 0, false);
        kernel.audit();
        let id = kernel.engine.present_devices().next().unwrap();
        kernel.engine.name_device(id, name, Policy::Follow);
        let mut rq = kernel.allocate(0x40, READ, 8, 4096);
        kernel.after(10).insert(&mut rq);
        rq.state = 2;
        kernel.after(10).complete(&mut rq, 4096, 4);
        let snapshot = snapshot(&mut kernel);
        assert_eq!(
            (snapshot.lives.judged, snapshot.lives.inferred),
            (judged, 2 - judged),
            "{name}"
        );
        assert_eq!(kinds(&snapshot), [Kind::IoError], "{name}");
    }
}
