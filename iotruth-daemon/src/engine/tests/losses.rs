//! What is told of lives of which records are missing.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use iotruth_common::{probe::Probe, record::STATE_COMPLETE};

use super::{FLUSH, IOERR, READ, WRITE, check_books, figures, kinds, snapshot};
use crate::engine::{
    Input, Policy, Starts,
    flavor::Flavor,
    kind::Kind,
    operation::Operation,
    phase::Phase,
    snapshot::{Loss, Unjudged},
    synthetic::{BEGIN, DISK, Kernel, QUEUE},
};

#[test]
fn an_end_that_nobody_counted_as_lost_is_inferred() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.hide = 1;
    kernel.after(9).complete(&mut rq, 4096, 0);
    kernel.after(9).ordinary(0x40, READ, 16, false);
    let snapshot = snapshot(&mut kernel);
    let reads = figures(&snapshot, Operation::Read);
    assert_eq!((reads.requests, reads.bytes), (2, 8192));
    assert_eq!(reads.unjudged[Unjudged::Inferred as usize], 1);
    assert_eq!(snapshot.lives.inferred, 1);
    assert!(snapshot.mismatches.is_empty());
}

#[test]
fn what_rests_on_history_is_not_shown_after_a_skipped_program() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.insert(&mut rq);
    kernel.after(10).complete(&mut rq, 4096, IOERR);
    kernel.skip(1);
    let snapshot = snapshot(&mut kernel);
    assert!(snapshot.mismatches.is_empty());
    assert_eq!(figures(&snapshot, Operation::Read).unjudged[Unjudged::Loss as usize], 1);
}

/// What came after the counters were read does not stand in for a record that is missing.
#[test]
fn what_rests_on_history_is_not_shown_while_a_record_of_another_probe_is_missing() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x40, READ, 0, true);
    kernel.audit();
    let audited = kernel.engine.counters_read();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.drop = 1;
    kernel.insert(&mut rq);
    kernel.after(10).complete(&mut rq, 4096, IOERR);
    let (end, counters) = (kernel.now, kernel.counters());
    for sector in 0..4 {
        kernel.after(10).ordinary(0x80, READ, 16 + sector, false);
    }
    kernel.settle(&counters);
    let waits = kernel.engine.snapshot(kernel.now);
    assert!(waits.mismatches.is_empty());
    assert_eq!(
        waits.complete_until, audited,
        "the record is missing, and nobody knows that it is lost"
    );
    let mut later = kernel.allocate(0x80, READ, 64, 4096);
    kernel.insert(&mut later);
    kernel.issue(&mut later);
    kernel.complete(&mut later, 4096, 0);
    let snapshot = snapshot(&mut kernel);
    assert!(snapshot.mismatches.is_empty());
    assert!(snapshot.complete_until > end);
    // And the one whose number tells of the loss.
    assert_eq!(figures(&snapshot, Operation::Read).unjudged[Unjudged::Loss as usize], 2);
}

#[test]
fn what_came_after_the_counters_were_read_is_not_held_against_them() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x40, READ, 0, true);
    kernel.audit();
    let before = kernel.engine.snapshot(kernel.now).probes[Probe::Issue as usize];
    assert_eq!((before.attempts, before.received, before.lost), (1, 1, 0));
    kernel.ordinary(0x40, READ, 8, true);
    // Its insert and its issue.
    kernel.refuse = 2;
    kernel.ordinary(0x40, READ, 16, true);
    kernel.ordinary(0x40, READ, 24, true);
    let running = kernel.engine.snapshot(kernel.now);
    check_books(&running);
    let issues = running.probes[Probe::Issue as usize];
    assert_eq!((issues.attempts, issues.received, issues.lost), (4, 3, 1));
    assert_eq!(running.losses[Loss::RingFull as usize], 2);
    assert_eq!(running.rings.iter().map(|ring| ring.lost).sum::<u64>(), 2);
    // The counters have nothing to add.
    let settled = snapshot(&mut kernel);
    assert_eq!((settled.probes, settled.losses), (running.probes, running.losses));
}

/// A record that was lost on our side looks like one more that the ring has refused.
#[test]
fn no_more_is_refused_than_the_ring_says() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x40, READ, 0, true);
    kernel.audit();
    kernel.refuse = 1;
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.insert(&mut rq);
    kernel.drop = 1;
    kernel.issue(&mut rq);
    kernel.complete(&mut rq, 4096, 0);
    kernel.ordinary(0x40, READ, 16, true);
    let running = kernel.engine.snapshot(kernel.now);
    check_books(&running);
    assert_eq!(running.losses[Loss::RingFull as usize], 1);
    assert_eq!(snapshot(&mut kernel).losses[Loss::RingFull as usize], 1, "it never goes back");
}

#[test]
fn an_error_is_its_own_proof_even_among_losses() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x80, READ, 0, true);
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.refuse = 2;
    kernel.ordinary(0x80, READ, 0, true);
    kernel.after(10).complete(&mut rq, 4096, IOERR);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::IoError]);
    assert_eq!(snapshot.mismatches[0].phases.total, None);
}

#[test]
fn a_life_whose_beginning_may_be_lost_is_not_judged() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x40, READ, 0, true);
    // The insert is refused, and what is left looks like a direct issue.
    kernel.refuse = 1;
    kernel.ordinary(0x40, READ, 8, true);
    kernel.after(5_000_000).ordinary(0x40, READ, 16, true);
    let snapshot = snapshot(&mut kernel);
    let reads = figures(&snapshot, Operation::Read);
    assert_eq!(reads.unjudged[Unjudged::Loss as usize], 1);
    assert_eq!(reads.phases[Phase::Total as usize].as_ref().unwrap().count(), 2);
}

/// What a start carries of the time at which its request was made is that of the use before.
#[test]
fn what_starts_long_after_a_loss_has_lost_nothing() {
    for (later, unjudged) in [(1_100_000_000, 0), (900_000_000, 1)] {
        let mut kernel = Kernel::with(Starts::All);
        kernel.ordinary(0x40, READ, 0, true);
        kernel.refuse = 1;
        kernel.ordinary(0x40, READ, 8, true);
        kernel.ordinary(0x40, READ, 16, true);
        let mut rq = kernel.after(later).allocate(0x80, WRITE, 24, 4096);
        rq.allocated = 5;
        kernel.start(&mut rq);
        rq.allocated = kernel.now;
        kernel.after(5).issue(&mut rq);
        kernel.after(5).complete(&mut rq, 4096, 0);
        let writes = figures(&snapshot(&mut kernel), Operation::Write);
        // A clone that starts is remapped just before, and that may be what was lost.
        assert_eq!(writes.unjudged[Unjudged::Loss as usize], unjudged, "{later} ns later");
    }
}

#[test]
fn what_began_before_the_programs_is_not_judged() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    rq.allocated = 5;
    kernel.issue(&mut rq);
    kernel.after(1).complete(&mut rq, 4096, 0);
    let mut stale = kernel.allocate(0x40, READ, 8, 4096);
    stale.allocated = 5;
    kernel.issue(&mut stale);
    kernel.after(1).complete(&mut stale, 4096, 0);
    let reads = figures(&snapshot(&mut kernel), Operation::Read);
    assert_eq!(reads.unjudged[Unjudged::PreExisting as usize], 1, "the second one is proved");
    assert_eq!(reads.requests, 2);
}

#[test]
fn requests_that_two_rings_share_are_two_lives() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x40, READ, 0, true);
    let mut first = kernel.allocate(0x40, READ, 8, 4096);
    kernel.start(&mut first);
    kernel.after(5).issue(&mut first);
    // The other ring is read before the end of the first one, as it may well be.
    kernel.ring = 1;
    let mut second = kernel.allocate(0x40, READ, 64, 8192);
    kernel.start(&mut second);
    kernel.after(5).issue(&mut second);
    kernel.after(5).complete(&mut second, 8192, 0);
    kernel.ring = 0;
    kernel.complete(&mut first, 4096, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!((snapshot.lives.judged, snapshot.lives.unjudged), (3, 0));
    assert_eq!(figures(&snapshot, Operation::Read).bytes, 4096 + 4096 + 8192);
}

#[test]
fn a_partial_completion_that_was_not_seen_is_counted_and_not_judged() {
    for last in ["q i d c", "c"] {
        let mut kernel = Kernel::new();
        kernel.ordinary(0x40, READ, 0, true);
        let mut rq = kernel.allocate(0x40, READ, 8, 16_384);
        kernel.start(&mut rq);
        kernel.after(5).issue(&mut rq);
        kernel.hide = 1;
        kernel.after(5).complete(&mut rq, 6144, 0);
        for token in last.split(' ') {
            kernel.after(5);
            match token {
                "q" => kernel.plain(Probe::Requeue, &mut rq),
                "i" => kernel.insert(&mut rq),
                "d" => kernel.issue(&mut rq),
                _ => kernel.complete(&mut rq, 10_240, 0),
            }
        }
        let snapshot = snapshot(&mut kernel);
        let reads = figures(&snapshot, Operation::Read);
        assert_eq!((reads.requests, reads.bytes), (2, 4096 + 16_384), "{last}");
        assert_eq!(reads.unjudged[Unjudged::Inferred as usize], 1, "{last}");
    }
}

#[test]
fn the_beginning_of_what_follows_an_unseen_end_may_be_lost() {
    let mut kernel = Kernel::with(Starts::None);
    kernel.ordinary(0x40, READ, 0, true);
    // The end of one and the insert of the next are refused: what is left is an issue.
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.after(5).issue(&mut rq);
    kernel.refuse = 2;
    kernel.after(5).complete(&mut rq, 4096, 0);
    kernel.ordinary(0x40, READ, 512, true);
    let reads = figures(&snapshot(&mut kernel), Operation::Read);
    assert_eq!(reads.unjudged[Unjudged::Loss as usize], 2);
}

#[test]
fn a_failed_flush_is_shown_even_among_losses() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x80, READ, 0, true);
    let mut flush = kernel.allocate(0x40, FLUSH, u64::MAX, 0);
    flush.bio = false;
    kernel.issue(&mut flush);
    kernel.refuse = 1;
    kernel.ordinary(0x80, READ, 0, true);
    kernel.after(10).complete(&mut flush, 0, IOERR);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::FlushFailed]);
}

#[test]
fn an_empty_flush_after_an_unseen_end_is_a_request_of_its_own() {
    let mut kernel = Kernel::with(Starts::None);
    kernel.ordinary(0x40, READ, 0, true);
    let mut rq = kernel.allocate(0x40, WRITE, 8, 4096);
    kernel.after(5).issue(&mut rq);
    kernel.hide = 1;
    kernel.after(5).complete(&mut rq, 4096, 0);
    let mut flush = kernel.allocate(0x40, WRITE, 0, 0);
    kernel.after(5).complete(&mut flush, 0, 0);
    let writes = figures(&snapshot(&mut kernel), Operation::Write);
    assert_eq!((writes.requests, writes.unjudged.iter().sum::<u64>()), (2, 1));
}

#[test]
fn a_start_proves_its_life_whatever_time_its_request_still_carries() {
    let flavor = Flavor::linux_6_12();
    let mut kernel = Kernel::new();
    let mut empty = kernel.allocate(0x40, WRITE | flavor.req.preflush, 0, 0);
    empty.allocated = 5;
    let mut flush = kernel.allocate(0x80, FLUSH | flavor.req.preflush, u64::MAX, 0);
    flush.bio = false;
    kernel.start(&mut empty);
    kernel.after(5).issue(&mut flush);
    kernel.after(100).complete(&mut flush, 0, 0);
    kernel.complete(&mut empty, 0, 0);
    let writes = figures(&snapshot(&mut kernel), Operation::Write);
    assert_eq!(writes.unjudged, [0; 3]);
    assert_eq!(writes.phases[Phase::Flush as usize].as_ref().unwrap().count(), 1);
}

#[test]
fn what_goes_on_after_an_unseen_requeue_was_not_refused_at_once() {
    for reused in [false, true] {
        let mut kernel = Kernel::with(Starts::None);
        kernel.ordinary(0x40, READ, 0, true);
        let mut rq = kernel.allocate(0x40, READ, 8, 4096);
        kernel.after(5).insert(&mut rq);
        kernel.after(5).issue(&mut rq);
        // Either it is sent back, or it ends and the same is asked for again.
        kernel.hide = 1;
        kernel.after(5).plain(Probe::Requeue, &mut rq);
        if reused {
            rq.allocated = kernel.after(5).now;
            rq.timeout = 0;
        }
        kernel.after(5).insert(&mut rq);
        kernel.after(5).complete(&mut rq, 4096, IOERR);
        let snapshot = snapshot(&mut kernel);
        let told: &[Kind] = if reused { &[Kind::DispatchFailure] } else { &[] };
        assert_eq!(kinds(&snapshot), told);
        assert_eq!(snapshot.lives.inferred, 2 - u64::from(reused));
    }
}

#[test]
fn what_has_a_timeout_was_not_refused_at_once() {
    for hidden in [0, 2] {
        let mut kernel = Kernel::with(Starts::All);
        kernel.ordinary(0x40, READ, 0, true);
        let mut rq = kernel.allocate(0x40, READ, 8, 4096);
        kernel.after(5).start(&mut rq);
        kernel.after(5).insert(&mut rq);
        if hidden > 0 {
            kernel.hide = hidden;
            kernel.after(5).issue(&mut rq);
            kernel.after(5).plain(Probe::Requeue, &mut rq);
        }
        kernel.after(5).complete(&mut rq, 4096, IOERR);
        let snapshot = snapshot(&mut kernel);
        let told: &[Kind] = if hidden == 0 { &[Kind::DispatchFailure] } else { &[] };
        assert_eq!(kinds(&snapshot), told);
        assert_eq!(snapshot.lives.inferred, u64::from(hidden > 0));
    }
}

#[test]
fn what_has_no_timeout_was_not_with_the_driver() {
    let multipath = READ | Flavor::linux_6_12().req.drv;
    for hidden in [0, 1] {
        let mut kernel = Kernel::with(Starts::All);
        kernel.ordinary(0x40, READ, 0, true);
        let mut sent = kernel.allocate(0x40, multipath, 8, 4096);
        kernel.after(5).issue(&mut sent);
        // Nothing is left of either, for its bios have gone to another path.
        (sent.len, sent.bio) = (0, false);
        kernel.hide = hidden;
        kernel.after(5).complete(&mut sent, 0, 0);
        let mut unsent = kernel.allocate(0x40, multipath, 8, 0);
        (unsent.state, unsent.bio) = (STATE_COMPLETE, false);
        kernel.after(5).complete(&mut unsent, 0, 0);
        let snapshot = snapshot(&mut kernel);
        let told: &[Kind] = if hidden == 0 { &[Kind::PathFailover] } else { &[] };
        assert_eq!(kinds(&snapshot), told);
    }
}

#[test]
fn what_was_made_after_an_event_is_not_its_request() {
    for hidden in [0, 1] {
        let mut kernel = Kernel::with(Starts::None);
        kernel.ordinary(0x40, READ, 0, true);
        let mut refused = kernel.after(100_000).allocate(0x40, READ, 8, 4096);
        kernel.after(5).insert(&mut refused);
        kernel.hide = hidden;
        kernel.after(5).complete(&mut refused, 4096, IOERR);
        // The same is asked for again, and not queued.
        let mut again = kernel.after(100_000).allocate(0x40, READ, 8, 4096);
        kernel.after(5).issue(&mut again);
        kernel.after(70_000).complete(&mut again, 4096, 0);
        let snapshot = snapshot(&mut kernel);
        let reads = figures(&snapshot, Operation::Read);
        assert_eq!((reads.requests, snapshot.lives.inferred), (3, hidden as u64));
        let queued = reads.phases[Phase::Queue as usize].as_ref().unwrap().count();
        assert_eq!(queued, 2 - hidden as u64, "the last one was not, and the first one was");
    }
}

#[test]
fn nothing_is_shown_of_a_device_before_it_is_known_whether_it_shall_be() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    let begin = kernel.now;
    kernel.issue(&mut rq);
    kernel.after(5).complete(&mut rq, 4096, IOERR);
    let unnamed = kernel.engine.snapshot(kernel.now);
    assert!(unnamed.devices.is_empty() && unnamed.mismatches.is_empty());
    assert!(unnamed.complete_until <= begin, "what is not shown is not there");
    let named = snapshot(&mut kernel);
    assert_eq!(kinds(&named), [Kind::IoError]);
    assert!(named.complete_until > begin, "{named:?}");
}

#[test]
fn an_address_is_known_to_be_free_only_once_all_programs_are_attached() {
    let mut kernel = Kernel::attached(Starts::All, BEGIN + 1_000);
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    rq.state = 1;
    // What ends a life is attached first, so this is seen; the insert of the next one is not.
    kernel.after(100).complete(&mut rq, 4096, 0);
    let mut next = kernel.allocate(0x40, READ, 8, 4096);
    kernel.after(2_000).complete(&mut next, 4096, IOERR);
    let snapshot = snapshot(&mut kernel);
    assert!(snapshot.mismatches.is_empty());
    assert_eq!((snapshot.lives.judged, snapshot.lives.unjudged), (0, 2));
}

#[test]
fn a_second_requeue_after_one_that_was_not_seen_is_of_the_same_request() {
    let mut kernel = Kernel::with(Starts::None);
    kernel.ordinary(0x40, READ, 0, true);
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.hide = 1;
    kernel.after(5).plain(Probe::Requeue, &mut rq);
    kernel.after(5).plain(Probe::Requeue, &mut rq);
    kernel.after(5).complete(&mut rq, 4096, IOERR);
    // Nothing of a refusal before the driver had it.
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::RequeueBusyBeforeStart]);
}

#[test]
fn what_follows_a_clone_of_which_records_were_refused_may_be_that_clone() {
    let mut kernel = Kernel::with(Starts::Flagged);
    kernel.ordinary(0x40, READ, 0, true);
    let mut clone = kernel.after(5).allocate(0x40, READ, 8, 4096);
    kernel.plain(Probe::Remap, &mut clone);
    // Nothing else is seen of it.
    kernel.refuse = 2;
    kernel.issue(&mut clone);
    kernel.complete(&mut clone, 4096, 0);
    kernel.ordinary(0x80, READ, 0, true);
    let mut rq = kernel.after(20_000).allocate(0x40, READ, 16, 4096);
    kernel.insert(&mut rq);
    kernel.issue(&mut rq);
    kernel.plain(Probe::Requeue, &mut rq);
    kernel.complete(&mut rq, 4096, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!((snapshot.lives.judged, snapshot.lives.inferred), (1, 0));
    assert_eq!(figures(&snapshot, Operation::Read).unjudged[Unjudged::Loss as usize], 2);
}

#[test]
fn a_refused_end_is_a_loss_even_if_no_record_comes_after_it() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.refuse = 1;
    kernel.after(5).complete(&mut rq, 4096, 0);
    kernel.after(2_000_000_000);
    let free = Kernel::memory(QUEUE, &rq, 0);
    kernel.census(|_| Some(free.clone()));
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.lives.inferred, 0);
    assert_eq!(figures(&snapshot, Operation::Read).unjudged[Unjudged::Loss as usize], 1);
}

#[test]
fn what_a_driver_does_wrong_is_told_of_the_request_that_it_does_it_to() {
    for wrong in [Probe::Issue, Probe::Insert, Probe::Merge] {
        let mut kernel = Kernel::new();
        let mut gone = kernel.allocate(0x40, WRITE, 8, 4096);
        kernel.issue(&mut gone);
        // Its end is refused, and the beginning of what comes next.
        kernel.refuse = 2;
        kernel.after(5).complete(&mut gone, 4096, 0);
        let mut rq = kernel.allocate(0x40, READ, 512, 8192);
        kernel.after(5).issue(&mut rq);
        kernel.after(5);
        if wrong == Probe::Merge {
            kernel.plain(wrong, &mut rq);
        } else {
            kernel.submit(wrong, &mut rq);
        }
        kernel.after(5).complete(&mut rq, 8192, 0);
        let snapshot = snapshot(&mut kernel);
        let told = &snapshot.mismatches[0];
        assert_eq!((told.operation, told.sector), (Operation::Read, Some(512)), "{wrong:?}");
        assert_eq!(snapshot.mismatches.len(), 1);
    }
}

#[test]
fn a_disk_of_which_only_the_number_was_known_is_not_shown_before_its_name() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    rq.state = 1;
    kernel.complete(&mut rq, 4096, IOERR);
    // This event is the first to tell the disk's sequence number.
    kernel.ordinary(0x80, READ, 8, true);
    assert!(kernel.engine.snapshot(kernel.now).mismatches.is_empty());
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::IoError]);
    assert_eq!(snapshot.mismatches[0].device_name, "disk");
}

#[test]
fn an_excluded_disk_of_which_only_the_number_was_known_is_never_shown() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    rq.state = 1;
    kernel.complete(&mut rq, 4096, IOERR);
    kernel.ordinary(0x80, READ, 8, true);
    kernel.feed(&Input::DeviceNamed { id: DISK, name: "zram0", policy: Policy::Exclude });
    assert!(kernel.engine.snapshot(kernel.now).mismatches.is_empty());
}

#[test]
fn a_verdict_that_cannot_wait_is_counted() {
    let mut kernel = Kernel::new();
    let preflush = Flavor::linux_6_12().req.preflush;
    let room = 1 << 16;
    for number in 0..room + 3 {
        // What was flushed rests on its history.
        let mut rq = kernel.allocate(0x40, WRITE | preflush, 8 * number, 4096);
        kernel.after(10).start(&mut rq);
        rq.cmd_flags = WRITE;
        rq.rq_flags |= Flavor::linux_6_12().rqf.flush_seq;
        kernel.after(10).issue(&mut rq);
        rq.rq_flags &= !Flavor::linux_6_12().rqf.flush_seq;
        kernel.after(10).complete(&mut rq, 4096, 0);
    }
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.lives.verdicts_dropped, 3);
    let figures = figures(&snapshot, Operation::Write);
    assert_eq!(figures.unjudged[Unjudged::Loss as usize], 3);
}

#[test]
fn a_start_that_tells_its_time_is_judged_soon_after_a_loss() {
    let mut kernel = Kernel::with(Starts::All);
    kernel.ordinary(0x40, READ, 0, true);
    kernel.refuse = 1;
    kernel.ordinary(0x40, READ, 8, true);
    kernel.ordinary(0x40, READ, 16, true);
    let mut rq = kernel.after(900_000_000).allocate(0x80, WRITE, 24, 4096);
    kernel.start(&mut rq);
    kernel.after(5).issue(&mut rq);
    kernel.after(5).complete(&mut rq, 4096, 0);
    let writes = figures(&snapshot(&mut kernel), Operation::Write);
    assert_eq!(writes.unjudged[Unjudged::Loss as usize], 0);
}
