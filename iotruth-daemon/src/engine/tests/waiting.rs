//! Lives that last: what a look into kernel memory makes of them.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use iotruth_common::{layout::ABSENT, probe::Probe};

use super::{FLUSH, IOERR, READ, WRITE, behind_flushes::flush, figures, kinds, snapshot};
use crate::engine::{
    Starts,
    flavor::Flavor,
    kind::Kind,
    mismatch::Outcome,
    operation::Operation,
    phase::Phases,
    snapshot::{Loss, Unjudged},
    synthetic::{Kernel, QUEUE, Request},
};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const ADDRESS: u64 = 0x40;

/// A kernel with one read that the driver has.
pub(super) fn issued() -> (Kernel, Request) {
    let mut kernel = Kernel::with(Starts::None);
    let mut rq = kernel.allocate(ADDRESS, READ, 8, 4096);
    kernel.issue(&mut rq);
    (kernel, rq)
}

/// A census that finds this in memory, and the audit after it.
pub(super) fn look(kernel: &mut Kernel, rq: &Request, references: u32) {
    // Devices have got their names by then.
    kernel.audit();
    let memory = Kernel::memory(QUEUE, rq, references);
    kernel.census(|_| Some(memory.clone()));
    kernel.audit();
}

#[test]
fn an_end_that_was_not_seen_is_found_in_memory() {
    let (mut kernel, mut rq) = issued();
    kernel.hide = 1;
    kernel.after(9).complete(&mut rq, 4096, 0);
    kernel.after(SECOND / 2);
    look(&mut kernel, &rq, 0);
    assert_eq!(snapshot(&mut kernel).lives.open, 1, "nobody looks up what is so young");
    kernel.after(SECOND);
    look(&mut kernel, &rq, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.lives.open, 0);
    assert_eq!(figures(&snapshot, Operation::Read).unjudged[Unjudged::Inferred as usize], 1);
    assert_eq!(figures(&snapshot, Operation::Read).bytes, 4096);
    assert!(snapshot.mismatches.is_empty());
}

#[test]
fn memory_that_is_gone_or_somebody_elses_ends_a_life() {
    let others: [fn(&mut Request); 3] =
        [|rq| rq.cmd_flags = WRITE, |rq| rq.allocated += 1, |rq| rq.address = 0];
    for change in others {
        let (mut kernel, mut rq) = issued();
        kernel.after(2 * SECOND);
        change(&mut rq);
        if rq.address == 0 {
            kernel.census(|_| None);
            kernel.audit();
        } else {
            look(&mut kernel, &rq, 1);
        }
        assert_eq!(snapshot(&mut kernel).lives.open, 0, "{rq:?}");
        assert_eq!(snapshot(&mut kernel).lives.inferred, 1);
    }
}

#[test]
fn memory_that_does_not_reach_that_far_says_nothing() {
    let (mut kernel, rq) = issued();
    kernel.after(9 * SECOND);
    let memory = Kernel::memory(QUEUE, &rq, 1);
    kernel.census(|_| memory.get(..memory.len() - 1).map(<[u8]>::to_vec));
    let snapshot = snapshot(&mut kernel);
    assert_eq!((snapshot.lives.open, snapshot.lives.inferred), (1, 0));
    assert_eq!((snapshot.in_flight.count, snapshot.in_flight.unconfirmed), (0, 1));
    assert!(snapshot.mismatches.is_empty());
}

#[test]
fn a_clone_that_its_path_refuses_is_found_to_be_over() {
    // Device mapper frees it, and no event tells of that (`dm-rq.c:map_request`).
    for issued in [false, true] {
        let mut kernel = Kernel::new();
        let mut clone = kernel.allocate(ADDRESS, READ, 8, 4096);
        kernel.plain(Probe::Remap, &mut clone);
        kernel.start(&mut clone);
        if issued {
            kernel.issue(&mut clone);
        }
        kernel.plain(Probe::Requeue, &mut clone);
        kernel.after(2 * SECOND);
        look(&mut kernel, &clone, 0);
        let lives = snapshot(&mut kernel).lives;
        assert_eq!((lives.merged, lives.open, lives.unjudged), (1, 0, 0), "issued: {issued}");
    }
}

#[test]
fn an_end_that_comes_after_all_is_no_loss() {
    let (mut kernel, mut rq) = issued();
    kernel.after(2 * SECOND);
    let free = Kernel::memory(QUEUE, &rq, 0);
    kernel.census(|_| Some(free.clone()));
    // It was in the ring all the time.
    kernel.complete(&mut rq, 4096, 0);
    kernel.audit();
    let snapshot = snapshot(&mut kernel);
    assert_eq!((snapshot.lives.judged, snapshot.lives.inferred), (1, 0));
}

#[test]
fn nothing_is_closed_before_every_record_was_taken() {
    let (mut kernel, mut rq) = issued();
    kernel.after(2 * SECOND);
    let free = Kernel::memory(QUEUE, &rq, 0);
    kernel.census(|_| Some(free.clone()));
    // Its end is hidden behind a record that is still being written.
    kernel.unread = Some(Default::default());
    kernel.complete(&mut rq, 4096, 0);
    let counters = kernel.counters();
    kernel.engine.audit(counters.audit);
    assert_eq!(kernel.engine.snapshot(kernel.now).lives.open, 1);
    let snapshot = snapshot(&mut kernel);
    assert_eq!((snapshot.lives.judged, snapshot.lives.inferred, snapshot.lives.open), (1, 0, 0));
}

#[test]
fn a_request_that_stays_with_the_driver_is_stuck_and_then_hung() {
    let (mut kernel, mut rq) = issued();
    kernel.audit();
    let id = kernel.engine.present_devices().next().unwrap();
    kernel.engine.set_timeout(id, 8 * SECOND);
    rq.timeout = 2_000;
    kernel.after(4 * SECOND);
    look(&mut kernel, &rq, 1);
    assert!(snapshot(&mut kernel).mismatches.is_empty());
    for _ in 0..3 {
        kernel.after(SECOND);
        look(&mut kernel, &rq, 1);
    }
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::StuckInDevice], "once");
    kernel.after(2 * SECOND);
    look(&mut kernel, &rq, 1);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::StuckInDevice], "its timer may be late");
    kernel.after(2 * SECOND);
    look(&mut kernel, &rq, 1);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::StuckInDevice, Kind::HungInDevice]);
    let end = kernel.after(SECOND).now;
    kernel.complete(&mut rq, 4096, 0);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::StuckInDevice, Kind::HungInDevice, Kind::Late]);
    assert_eq!(snapshot.mismatches[0].phases.device.unwrap() / SECOND, 5);
    assert_eq!(snapshot.lives.judged, 1);
    assert!(snapshot.mismatches.iter().all(|told| told.outcome == Outcome::Ended(end)));
}

/// A kernel that does not say how long its ticks are, or whose requests have no timeout.
#[test]
fn a_request_whose_timeout_is_not_known_is_stuck_and_never_hung() {
    for unknown in [
        |kernel: &mut Kernel| kernel.engine.tick = None,
        |kernel: &mut Kernel| {
            kernel.engine.layout.request_timeout = ABSENT;
        },
    ] {
        let (mut kernel, mut rq) = issued();
        unknown(&mut kernel);
        kernel.after(99 * SECOND);
        look(&mut kernel, &rq, 1);
        kernel.complete(&mut rq, 4096, 0);
        assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::StuckInDevice]);
    }
}

/// SCSI gives a flush twice the time of its queue (`sd_setup_flush_cmnd`).
#[test]
fn a_request_has_the_time_that_its_driver_was_given() {
    for (after, expected) in [
        (40, &[Kind::StuckInDevice, Kind::SlowFlush][..]),
        (61, &[Kind::StuckInDevice, Kind::SlowFlush]),
        (63, &[Kind::StuckInDevice, Kind::HungInDevice, Kind::Late, Kind::SlowFlush]),
    ] {
        let mut kernel = Kernel::with(Starts::None);
        let mut flush = flush(&kernel);
        flush.timeout = 15_000;
        kernel.issue(&mut flush);
        kernel.after(after * SECOND);
        look(&mut kernel, &flush, 1);
        kernel.complete(&mut flush, 0, 0);
        assert_eq!(kinds(&snapshot(&mut kernel)), expected, "{after} s");
    }
}

#[test]
fn a_write_is_not_late_for_the_flush_after_it() {
    let flavor = Flavor::linux_6_12();
    let mut kernel = Kernel::with(Starts::Flagged);
    let mut write = kernel.allocate(ADDRESS, WRITE | flavor.req.fua, 8, 4096);
    kernel.after(10).start(&mut write);
    write.rq_flags |= flavor.rqf.flush_seq;
    kernel.after(10).issue(&mut write);
    kernel.after(10).complete(&mut write, 4096, 0);
    kernel.after(40 * SECOND);
    write.rq_flags &= !flavor.rqf.flush_seq;
    write.bio = true;
    kernel.complete(&mut write, 0, 0);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::FlushEmulated]);
}

#[test]
fn a_request_that_stays_in_a_queue_is_stuck_there() {
    let mut kernel = Kernel::with(Starts::None);
    let mut rq = kernel.allocate(ADDRESS, READ, 8, 4096);
    kernel.insert(&mut rq);
    kernel.after(33 * SECOND);
    look(&mut kernel, &rq, 1);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::StuckInQueue, Kind::HungInQueue]);
}

#[test]
fn what_is_not_where_its_events_left_it_is_in_flight_and_not_stuck() {
    // Sent back unseen; its end is on its way; a part of it is just ending; its bios were just taken
    // away; another attempt.
    let changes: [fn(&mut Request); 5] = [
        |rq| rq.state = 0,
        |rq| rq.state = 2,
        |rq| rq.sector += 1,
        |rq| rq.len = 0,
        |rq| rq.tag += 1,
    ];
    for change in changes {
        let (mut kernel, mut rq) = issued();
        kernel.after(9 * SECOND);
        change(&mut rq);
        look(&mut kernel, &rq, 1);
        let snapshot = snapshot(&mut kernel);
        assert!(snapshot.mismatches.is_empty());
        assert_eq!((snapshot.in_flight.count, snapshot.in_flight.oldest[0].confirmed), (1, false));
    }
}

#[test]
fn after_a_loss_only_the_time_it_was_made_proves_that_it_is_the_same() {
    for (made, told) in [(false, 0), (true, 1)] {
        let mut kernel = Kernel::with(Starts::None);
        kernel.ordinary(ADDRESS, READ, 0, false);
        let mut rq = kernel.allocate(ADDRESS, READ, 8, 4096);
        if !made {
            // Where statistics are off, it is that of an earlier use.
            rq.allocated = 5;
        }
        kernel.issue(&mut rq);
        kernel.skip(1);
        kernel.audit();
        kernel.after(9 * SECOND);
        look(&mut kernel, &rq, 1);
        assert_eq!(snapshot(&mut kernel).mismatches.len(), told, "made in our time: {made}");
    }
}

/// A read whose driver is given eight seconds, which is sent back after seven and sent again, and what
/// becomes of those two events.
fn sent_again(events: fn(&mut Kernel)) -> (Kernel, Request) {
    let (mut kernel, mut rq) = issued();
    kernel.audit();
    let id = kernel.engine.present_devices().next().unwrap();
    kernel.engine.set_timeout(id, 8 * SECOND);
    rq.timeout = 2_000;
    kernel.after(7 * SECOND);
    events(&mut kernel);
    kernel.plain(Probe::Requeue, &mut rq);
    kernel.issue(&mut rq);
    kernel.after(3 * SECOND);
    (kernel, rq)
}

#[test]
fn another_attempt_may_be_in_what_was_lost() {
    let (mut kernel, rq) = sent_again(|kernel| kernel.refuse = 2);
    look(&mut kernel, &rq, 1);
    let doubtful = snapshot(&mut kernel);
    assert!(doubtful.mismatches.is_empty(), "it has been there for 3 s");
    assert_eq!((doubtful.in_flight.count, doubtful.in_flight.doubtful), (1, 1));
    kernel.after(SECOND);
    look(&mut kernel, &rq, 1);
    assert!(snapshot(&mut kernel).mismatches.is_empty(), "for 4 s");
    kernel.after(6 * SECOND);
    look(&mut kernel, &rq, 1);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::StuckInDevice], "for 10 s, or since the loss was known");
    assert_eq!(snapshot.mismatches[0].phases, Phases::default());
    assert_eq!(snapshot.in_flight.doubtful, 0, "it is told");
}

#[test]
fn while_events_are_lost_the_deadline_tells_attempts_apart() {
    // After which of the looks it is told: there is one every 1.1 seconds.
    for (again, known, told) in
        [(None, true, Some(7)), (Some(3), true, Some(9)), (None, false, None)]
    {
        let (mut kernel, mut rq) = issued();
        let mut sent = kernel.now;
        if !known {
            kernel.engine.layout.request_deadline = ABSENT;
        }
        let mut seen = None;
        for number in 1..=12 {
            kernel.after(SECOND);
            if again == Some(number) {
                kernel.refuse = 2;
                kernel.plain(Probe::Requeue, &mut rq);
                kernel.issue(&mut rq);
                sent = kernel.now;
            }
            // Something of another request is lost all the time.
            kernel.refuse = 1;
            kernel.ordinary(0x80, READ, 16, false);
            kernel.after(SECOND / 10);
            look(&mut kernel, &rq, 1);
            let snapshot = snapshot(&mut kernel);
            let [told, doubtful] = [snapshot.mismatches.len() as u64, snapshot.in_flight.doubtful];
            assert_eq!(
                told + doubtful,
                u64::from(number > 4),
                "{number}: told, or said that it is not"
            );
            seen = seen.or_else(|| (told == 1).then_some(number));
        }
        assert_eq!(seen, told, "sent again: {again:?}, deadline known: {known}");
        if told.is_some() {
            let shown = snapshot(&mut kernel);
            assert_eq!(kinds(&shown), [Kind::StuckInDevice]);
            let [mismatch] = &shown.mismatches[..] else { panic!("{shown:?}") };
            assert!(mismatch.last - mismatch.waited.unwrap() >= sent, "{mismatch:?}");
            assert_eq!(mismatch.phases, Phases::default());
        }
    }
}

#[test]
fn another_attempt_may_be_in_what_nobody_knows_yet() {
    // Its records are in the ring, or were refused since the counters were read.
    let events: [fn(&mut Kernel); 2] =
        [|kernel| kernel.refuse = 2, |kernel| kernel.unread = Some(Default::default())];
    for events in events {
        let (mut kernel, rq) = sent_again(events);
        let memory = Kernel::memory(QUEUE, &rq, 1);
        kernel.census(|_| Some(memory.clone()));
        let told = kernel.engine.snapshot(kernel.now).mismatches;
        assert!(told.is_empty(), "the counters say nothing of the last ten seconds");
        if kernel.unread.is_some() {
            // A record that is being written holds them back.
            let counters = kernel.counters();
            kernel.engine.audit(counters.audit);
            kernel.census(|_| Some(memory.clone()));
            assert!(kernel.engine.snapshot(kernel.now).mismatches.is_empty());
        }
        look(&mut kernel, &rq, 1);
        assert!(snapshot(&mut kernel).mismatches.is_empty());
    }
}

#[test]
fn as_many_missing_records_as_before_may_be_others() {
    // Of a requeue, by the counters.
    let audit = |kernel: &mut Kernel| {
        let mut audit = kernel.counters().audit;
        audit.attempts[Probe::Requeue as usize][kernel.ring] += 1;
        kernel.engine.audit(audit);
    };
    for (others, told) in [(false, 1), (true, 0)] {
        let (mut kernel, rq) = issued();
        // The device gets its name.
        kernel.audit();
        audit(&mut kernel);
        kernel.after(4 * SECOND);
        if others {
            kernel.ordinary(0x80, READ, 16, false);
        }
        audit(&mut kernel);
        kernel.after(3 * SECOND);
        audit(&mut kernel);
        let memory = Kernel::memory(QUEUE, &rq, 1);
        kernel.census(|_| Some(memory.clone()));
        let seen = kernel.engine.snapshot(kernel.now);
        assert_eq!((seen.mismatches.len(), seen.in_flight.doubtful), (told, 1 - told as u64));
    }
}

#[test]
fn passthrough_takes_as_long_as_it_takes() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(ADDRESS, 35, u64::MAX, 96);
    kernel.issue(&mut rq);
    kernel.after(99 * SECOND);
    look(&mut kernel, &rq, 1);
    assert_eq!(snapshot(&mut kernel).in_flight.count, 1);
    kernel.complete(&mut rq, 96, 0);
    assert!(snapshot(&mut kernel).mismatches.is_empty());
}

#[test]
fn passthrough_is_sent_back_as_often_as_its_sender_likes() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(ADDRESS, 34, u64::MAX, 96);
    for _ in 0..1_000 {
        kernel.after(SECOND / 100).issue(&mut rq);
        kernel.complete(&mut rq, 0, IOERR);
        kernel.plain(Probe::Requeue, &mut rq);
    }
    look(&mut kernel, &rq, 1);
    kernel.issue(&mut rq);
    kernel.complete(&mut rq, 96, 0);
    let snapshot = snapshot(&mut kernel);
    assert!(snapshot.mismatches.is_empty());
    assert_eq!(snapshot.devices.values().next().unwrap().requeues[2], 1_000);
}

#[test]
fn a_slow_flush_is_told_at_its_end() {
    let mut kernel = Kernel::new();
    let mut flush = kernel.allocate(0x80, FLUSH, u64::MAX, 0);
    flush.bio = false;
    kernel.issue(&mut flush);
    kernel.after(2 * SECOND).complete(&mut flush, 0, 0);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::SlowFlush]);
}

#[test]
fn a_storm_is_told_while_it_lasts_and_only_once() {
    let (mut kernel, mut rq) = issued();
    for _ in 0..2 {
        for _ in 0..600 {
            kernel.after(1_000_000).plain(Probe::Requeue, &mut rq);
            kernel.after(1_000_000).issue(&mut rq);
        }
        look(&mut kernel, &rq, 1);
    }
    let busy = [Kind::RequeueStorm];
    assert_eq!(kinds(&snapshot(&mut kernel)), busy, "what else it is comes at its end");
    kernel.after(1_000).complete(&mut rq, 4096, 0);
    let ended = snapshot(&mut kernel);
    assert_eq!(ended.mismatches.iter().filter(|one| one.kind == Kind::RequeueStorm).count(), 1);
    assert_eq!(
        ended.mismatches.iter().find(|one| one.kind == Kind::RequeueStorm).unwrap().count,
        1
    );
}

#[test]
fn a_storm_that_ends_before_anybody_looks_is_told_at_its_end() {
    let (mut kernel, mut rq) = issued();
    for _ in 0..1_000 {
        kernel.after(10).plain(Probe::Requeue, &mut rq);
        kernel.after(10).issue(&mut rq);
    }
    kernel.after(10).complete(&mut rq, 4096, 0);
    assert!(kinds(&snapshot(&mut kernel)).contains(&Kind::RequeueStorm));
}

#[test]
fn an_event_may_be_newer_than_the_clock_of_whoever_looks() {
    let (mut kernel, mut rq) = issued();
    kernel.audit();
    for _ in 0..12 {
        kernel.after(10).plain(Probe::Requeue, &mut rq);
        kernel.after(SECOND).issue(&mut rq);
    }
    kernel.skew = 2_000;
    kernel.after(10).plain(Probe::Requeue, &mut rq);
    kernel.after(10).issue(&mut rq);
    kernel.skew = 0;
    look(&mut kernel, &rq, 1);
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::RequeueStorm]);
    assert_eq!(snapshot.mismatches[0].phases.total.unwrap() / SECOND, 12);
}

/// A record that cannot be read is no reason to wait for it for ever.
#[test]
fn what_has_ended_is_closed_though_a_record_was_lost_on_our_side() {
    let (mut kernel, mut rq) = issued();
    // One that makes no sense, and one that is missing though the ring did not refuse it.
    kernel.garble = 1;
    kernel.ordinary(0x80, READ, 64, false);
    kernel.drop = 1;
    kernel.ordinary(0x80, READ, 64, false);
    kernel.ordinary(0x80, READ, 64, false);
    kernel.hide = 1;
    kernel.complete(&mut rq, 4096, 0);
    for _ in 0..3 {
        kernel.after(2 * SECOND);
        look(&mut kernel, &rq, 0);
    }
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.lives.open, 0);
    assert_eq!(snapshot.losses[Loss::UserQueue as usize], 1);
    assert!(snapshot.mismatches.is_empty());
}

#[test]
fn a_request_that_is_gone_is_noted_once() {
    let (mut kernel, mut rq) = issued();
    // A record that is still being written hides all that follow.
    kernel.unread = Some(Default::default());
    kernel.complete(&mut rq, 4096, 0);
    let counters = kernel.counters();
    let free = Kernel::memory(QUEUE, &rq, 0);
    for _ in 0..5 {
        kernel.after(2 * SECOND);
        kernel.census(|_| Some(free.clone()));
        kernel.engine.audit(counters.audit);
    }
    assert_eq!(kernel.engine.gone.len(), 1);
    assert_eq!(snapshot(&mut kernel).lives.judged, 1);
}

#[test]
fn a_success_after_a_failed_attempt_is_a_recovery() {
    let (mut kernel, mut rq) = issued();
    kernel.after(10).complete(&mut rq, 0, IOERR);
    rq.state = 2;
    kernel.after(10).plain(Probe::Requeue, &mut rq);
    kernel.after(10).issue(&mut rq);
    kernel.after(10).complete(&mut rq, 4096, 0);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::RequeueRetry, Kind::Recovered]);
}

/// A path that nvme cannot reach gives requests back as complete that it never issued.
#[test]
fn more_bytes_than_were_asked_for_are_told() {
    let (mut kernel, mut rq) = issued();
    kernel.after(10).complete(&mut rq, 8192, 0);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::OverCompletion]);
}

#[test]
fn what_is_in_flight_is_counted_by_device_and_listed_by_age() {
    let mut kernel = Kernel::with(Starts::None);
    for number in 0..3 {
        let mut rq = kernel.allocate(ADDRESS + number * 64, READ, 8 * number, 4096);
        kernel.after(SECOND).issue(&mut rq);
    }
    kernel.audit();
    let rq = kernel.allocate(ADDRESS, READ, 0, 4096);
    let free = Kernel::memory(QUEUE, &rq, 0);
    let mut busy = rq;
    busy.state = 1;
    busy.sector = 8;
    busy.allocated = 0;
    let busy = Kernel::memory(QUEUE, &busy, 1);
    kernel.census(|address| Some(if address == ADDRESS { free.clone() } else { busy.clone() }));
    let snapshot = snapshot(&mut kernel);
    let sectors: Vec<_> = snapshot.in_flight.oldest.iter().map(|open| open.sector).collect();
    assert_eq!(sectors, [Some(8), Some(16)], "the first is over, the last is young");
    let device = snapshot.devices.values().next().unwrap();
    assert_eq!((device.in_flight, snapshot.in_flight.count), (2, 2));
    assert_eq!(device.oldest, Some(snapshot.in_flight.oldest[0].first));
}

#[test]
fn what_is_gone_twice_is_closed() {
    let (mut kernel, mut rq) = issued();
    kernel.after(2 * SECOND);
    let free = Kernel::memory(QUEUE, &rq, 0);
    kernel.census(|_| Some(free.clone()));
    kernel.after(5).plain(Probe::Requeue, &mut rq);
    kernel.audit();
    kernel.after(SECOND);
    for _ in 0..5 {
        kernel.after(SECOND);
        let free = Kernel::memory(QUEUE, &rq, 0);
        kernel.census(|_| Some(free.clone()));
        kernel.audit();
    }
    assert_eq!(snapshot(&mut kernel).lives.open, 0);
}
