//! What became of requests that were told of while they were open.

use iotruth_common::probe::Probe;

use super::{
    READ, WRITE, kinds, snapshot,
    waiting::{ADDRESS, SECOND, issued, look},
};
use crate::engine::{
    Sample, Starts,
    kind::Kind,
    mismatch::Outcome,
    synthetic::{Kernel, QUEUE, Request},
};

#[test]
fn what_was_told_of_an_open_request_says_what_became_of_it() {
    let stuck = |outcome: fn(&mut Kernel, &mut Request)| {
        let (mut kernel, mut rq) = issued();
        kernel.after(6 * SECOND);
        look(&mut kernel, &rq, 1);
        assert_eq!(snapshot(&mut kernel).mismatches[0].outcome, Outcome::Open);
        let end = kernel.after(SECOND).now;
        outcome(&mut kernel, &mut rq);
        let snapshot = snapshot(&mut kernel);
        assert_eq!(kinds(&snapshot), [Kind::StuckInDevice]);
        (snapshot.mismatches[0].outcome, end)
    };
    let (ended, end) = stuck(|kernel, rq| kernel.complete(rq, 4096, 0));
    assert_eq!(ended, Outcome::Ended(end));
    let (found, end) = stuck(|kernel, rq| {
        kernel.hide = 1;
        kernel.complete(rq, 4096, 0);
        look(kernel, rq, 0);
    });
    // When it was looked up, and that was a little later.
    assert!(
        matches!(found, Outcome::EndUnseen(by) if (end..end + SECOND).contains(&by)),
        "{found:?}"
    );
    let (replaced, end) = stuck(|kernel, _| {
        let mut next = kernel.allocate(ADDRESS, WRITE, 512, 4096);
        kernel.issue(&mut next);
    });
    assert_eq!(replaced, Outcome::EndUnseen(end));
    let (kept, _) = stuck(|kernel, _| {
        kernel.after(1_000).resample(Sample::NONE);
    });
    assert_eq!(kept, Outcome::Open, "it is found in memory");
    let (unknown, _) = stuck(|kernel, rq| {
        // Its events have left it elsewhere.
        rq.tag += 1;
        look(kernel, rq, 1);
        kernel.after(1_000).resample(Sample::NONE);
    });
    assert_eq!(unknown, Outcome::Unknown);
}

#[test]
fn every_entry_of_a_request_is_concluded() {
    let mut kernel = Kernel::with(Starts::None);
    let mut all: Vec<Request> =
        (0..70).map(|n| kernel.allocate(0x40 * (n + 1), READ, 8 * n, 4096)).collect();
    for rq in &mut all {
        kernel.after(5).issue(rq);
    }
    for _ in 0..2 {
        for rq in &mut all {
            kernel.after(5).issue(rq);
        }
    }
    for rq in &mut all {
        kernel.after(5).complete(rq, 4096, 0);
    }
    kernel.audit();
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.lives.open, 0);
    let open = snapshot.mismatches.iter().filter(|told| told.outcome == Outcome::Open).count();
    assert_eq!(open, 0, "of {} entries", snapshot.mismatches.len());
}

#[test]
fn what_hangs_is_open_though_another_like_it_has_ended() {
    let mut kernel = Kernel::with(Starts::None);
    let mut one = kernel.allocate(0x40, READ, 8, 4096);
    let mut two = kernel.allocate(0x80, READ, 8, 4096);
    kernel.issue(&mut one);
    kernel.after(1_000).issue(&mut two);
    kernel.after(6 * SECOND).audit();
    let memory = [Kernel::memory(QUEUE, &one, 1), Kernel::memory(QUEUE, &two, 1)];
    kernel.census(|address| Some(memory[usize::from(address == 0x80)].clone()));
    kernel.audit();
    kernel.after(SECOND).complete(&mut two, 4096, 0);
    kernel.audit();
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.lives.open, 1);
    assert!(
        snapshot.mismatches.iter().any(|told| told.outcome == Outcome::Open),
        "{:?}",
        snapshot.mismatches
    );
}

#[test]
fn a_request_of_which_a_requeue_was_lost_is_not_said_to_be_over() {
    let (mut kernel, mut rq) = issued();
    kernel.after(6 * SECOND);
    look(&mut kernel, &rq, 1);
    assert_eq!(snapshot(&mut kernel).mismatches[0].outcome, Outcome::Open);
    kernel.refuse = 1;
    kernel.after(SECOND).plain(Probe::Requeue, &mut rq);
    kernel.after(SECOND).issue(&mut rq);
    kernel.audit();
    let told = snapshot(&mut kernel).mismatches[0].outcome;
    assert!(!matches!(told, Outcome::EndUnseen(_)), "it is with the driver still: {told:?}");
}

#[test]
fn a_held_verdict_concludes_its_own_entry() {
    let mut kernel = Kernel::with(Starts::None);
    let mut one = kernel.allocate(ADDRESS, READ, 8, 4096);
    kernel.issue(&mut one);
    kernel.after(5).issue(&mut one);
    kernel.after(40 * SECOND).complete(&mut one, 4096, 0);
    let end = kernel.now;
    let mut two = kernel.after(1_000).allocate(ADDRESS, READ, 512, 4096);
    kernel.after(5).issue(&mut two);
    kernel.after(5).issue(&mut two);
    kernel.after(SECOND).audit();
    let snapshot = snapshot(&mut kernel);
    let told: Vec<_> = snapshot
        .mismatches
        .iter()
        .filter(|told| told.kind == Kind::DoubleStart)
        .map(|told| (told.sector, told.outcome))
        .collect();
    assert_eq!(told, [(Some(8), Outcome::Ended(end)), (Some(512), Outcome::Open)]);
}

#[test]
fn it_was_not_over_before_its_last_event() {
    let (mut kernel, mut rq) = issued();
    kernel.after(6 * SECOND);
    look(&mut kernel, &rq, 1);
    let free = Kernel::memory(QUEUE, &rq, 0);
    kernel.census(|_| Some(free.clone()));
    let requeued = kernel.after(5 * SECOND).now;
    kernel.plain(Probe::Requeue, &mut rq);
    kernel.audit();
    let mut next = kernel.after(SECOND).allocate(ADDRESS, WRITE, 512, 4096);
    kernel.issue(&mut next);
    kernel.audit();
    let outcome = snapshot(&mut kernel).mismatches[0].outcome;
    assert!(matches!(outcome, Outcome::EndUnseen(by) if by > requeued), "{outcome:?} {requeued}");
}

#[test]
fn merges_say_when_the_last_one_ended() {
    let mut kernel = Kernel::new();
    for number in 0..3 {
        let mut rq = kernel.allocate(0x40, READ, 8 * number, 4096);
        kernel.after(5).start(&mut rq);
        kernel.after(5).insert(&mut rq);
        kernel.after(SECOND).plain(Probe::Merge, &mut rq);
    }
    kernel.audit();
    let snapshot = snapshot(&mut kernel);
    let told = &snapshot.mismatches[0];
    assert_eq!((told.kind, told.count), (Kind::Merged, 3));
    assert_eq!(told.outcome, Outcome::Ended(told.last));
}

#[test]
fn rings_do_not_conclude_each_others() {
    let mut kernel = Kernel::with(Starts::None);
    let mut one = kernel.allocate(ADDRESS, READ, 8, 4096);
    kernel.issue(&mut one);
    kernel.after(5).issue(&mut one);
    // Its end lies in a ring that is read later.
    kernel.ring = 1;
    kernel.hardware_queue = 1;
    let mut two = kernel.after(5_000).allocate(ADDRESS, READ, 512, 4096);
    kernel.issue(&mut two);
    kernel.after(5).issue(&mut two);
    kernel.ring = 0;
    kernel.hardware_queue = 0;
    let now = kernel.now;
    kernel.now -= 2_000;
    let end = kernel.now;
    kernel.complete(&mut one, 4096, 0);
    kernel.now = now + 5;
    kernel.audit();
    let snapshot = snapshot(&mut kernel);
    let told: Vec<_> = snapshot.mismatches.iter().map(|told| (told.sector, told.outcome)).collect();
    assert_eq!(told, [(Some(8), Outcome::Ended(end)), (Some(512), Outcome::Open)]);
}

#[test]
fn what_was_told_under_a_number_is_concluded_too() {
    let mut kernel = Kernel::with(Starts::None);
    let mut one = kernel.allocate(ADDRESS, READ, 8, 4096);
    one.state = 1;
    kernel.after(5).plain(Probe::Merge, &mut one);
    kernel.ordinary(0x80, READ, 512, false);
    kernel.after(5).complete(&mut one, 4096, 0);
    kernel.audit();
    let snapshot = snapshot(&mut kernel);
    assert_eq!(snapshot.lives.open, 0);
    let told: Vec<_> =
        snapshot.mismatches.iter().map(|told| (told.kind, told.device, told.outcome)).collect();
    assert!(told.iter().all(|told| told.2 != Outcome::Open), "{told:?}");
}
