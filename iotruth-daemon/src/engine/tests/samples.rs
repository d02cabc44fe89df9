//! What is told while only some requests are followed.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use iotruth_common::{probe::Probe, record::STATE_IN_FLIGHT};

use super::{FLUSH, IOERR, READ, WRITE, figures, kinds, snapshot, waiting::look};
use crate::engine::{
    Sample, Starts,
    kind::Kind,
    mismatch::Outcome,
    operation::Operation,
    snapshot::Unjudged,
    synthetic::{Kernel, Request},
};

const SECOND: u64 = 1_000_000_000;
const HALF: Sample = Sample { one_in: 2, salt: 0 };

/// Goes over to another sample.
fn follow(kernel: &mut Kernel, sample: Sample) {
    for _ in 0..3 {
        kernel.after(1_000).resample(sample);
    }
}

/// Addresses that are in a sample, and others.
fn addresses(sample: Sample) -> [u64; 2] {
    [true, false].map(|followed| {
        (1..1_000)
            .map(|number| number * 0x140)
            .find(|rq| sample.follows(*rq, READ) == followed)
            .unwrap()
    })
}

#[test]
fn what_stays_in_the_sample_stays_open_and_the_rest_is_given_up() {
    let mut kernel = Kernel::new();
    let mut requests = addresses(HALF).map(|address| kernel.allocate(address, READ, 8, 4096));
    let mut flush = kernel.allocate(addresses(HALF)[1] + 0x40, FLUSH, 0, 0);
    requests.iter_mut().chain([&mut flush]).for_each(|rq| kernel.issue(rq));
    follow(&mut kernel, HALF);
    let lives = snapshot(&mut kernel).lives;
    assert_eq!((lives.open, lives.given_up), (2, 1));
    for rq in requests.iter_mut().chain([&mut flush]) {
        let bytes = rq.len;
        kernel.after(5).complete(rq, bytes, 0);
    }
    // Its next user is not seen from its beginning.
    let mut next = kernel.after(5).allocate(addresses(HALF)[1], READ, 8, 4096);
    follow(&mut kernel, Sample::ALL);
    kernel.after(5).complete(&mut next, 4096, IOERR);
    let snapshot = snapshot(&mut kernel);
    assert_eq!((snapshot.lives.judged, snapshot.lives.unjudged), (2, 1));
    assert_eq!(snapshot.losses, [0; 5]);
    assert!(snapshot.mismatches.is_empty());
    assert_eq!(
        figures(&snapshot, Operation::Read).requests,
        2 + 1,
        "one for two, and one for itself"
    );
}

/// Two reads that are not in the sample, of which one hangs when it begins.
fn hanging() -> (Kernel, Request) {
    let mut kernel = Kernel::new();
    let [_, address] = addresses(HALF);
    kernel.ordinary(address, READ, 0, true);
    let mut hangs = kernel.after(5).allocate(address, READ, 8, 4096);
    hangs.timeout = 2_000;
    kernel.issue(&mut hangs);
    kernel.audit();
    let id = kernel.engine.present_devices().next().unwrap();
    kernel.engine.set_timeout(id, 8 * SECOND);
    kernel.after(2 * SECOND);
    look(&mut kernel, &hangs, 1);
    let young = (1..).map(|number| address + number * 0x140);
    let young = young.into_iter().find(|rq| !HALF.follows(*rq, READ)).unwrap();
    let mut young = kernel.allocate(young, READ, 80, 4096);
    kernel.issue(&mut young);
    follow(&mut kernel, HALF);
    let snapshot = snapshot(&mut kernel);
    assert_eq!((snapshot.lives.open, snapshot.lives.given_up), (1, 1));
    (kernel, hangs)
}

#[test]
fn what_hangs_is_told_though_it_is_not_in_the_sample() {
    let (mut kernel, hangs) = hanging();
    for _ in 0..7 {
        kernel.after(SECOND);
        look(&mut kernel, &hangs, 1);
    }
    let shown = snapshot(&mut kernel);
    assert_eq!(kinds(&shown), [Kind::StuckInDevice]);
    assert_eq!(shown.mismatches[0].outcome, Outcome::Open);
    let open = &shown.in_flight.oldest;
    assert_eq!((shown.in_flight.count, open.len()), (1, 1), "it stands for itself alone");
    for _ in 0..5 {
        kernel.after(SECOND);
        look(&mut kernel, &hangs, 1);
    }
    let told = kinds(&snapshot(&mut kernel));
    assert_eq!(told, [Kind::StuckInDevice, Kind::HungInDevice]);
    // Nothing tells of its end, and its place in memory is somebody else's then.
    let other = Request { allocated: kernel.now, ..hangs };
    kernel.after(SECOND);
    look(&mut kernel, &other, 1);
    let over = snapshot(&mut kernel);
    assert!(over.mismatches.iter().all(|one| matches!(one.outcome, Outcome::EndUnseen(_))));
    assert_eq!((over.lives.open, over.losses), (0, [0; 5]));
    let reads = figures(&over, Operation::Read);
    assert_eq!((reads.requests, reads.unjudged[Unjudged::PreExisting as usize]), (2, 1));
}

#[test]
fn what_hangs_is_kept_after_the_sample_has_grown() {
    let mut kernel = Kernel::new();
    let [address, _] = addresses(HALF);
    follow(&mut kernel, HALF);
    let mut hangs = kernel.after(SECOND).allocate(address, READ, 8, 4096);
    kernel.issue(&mut hangs);
    kernel.after(2 * SECOND);
    look(&mut kernel, &hangs, 1);
    follow(&mut kernel, Sample::ALL);
    kernel.after(SECOND);
    let other = Sample { one_in: 1 << 12, salt: 0 };
    assert!(!other.follows(address, READ));
    follow(&mut kernel, other);
    let lives = snapshot(&mut kernel).lives;
    assert_eq!((lives.open, lives.given_up), (1, 0));
}

#[test]
fn what_was_kept_is_not_ended_by_another_one() {
    let (mut kernel, hangs) = hanging();
    // It fails and is tried again on the same address, and nobody is to tell of either.
    let mut again =
        Request { allocated: kernel.now, ..kernel.allocate(hangs.address, READ, 8, 4096) };
    follow(&mut kernel, Sample::ALL);
    again.state = STATE_IN_FLIGHT;
    kernel.after(5).complete(&mut again, 4096, IOERR);
    let shown = snapshot(&mut kernel);
    let told: Vec<_> =
        shown.mismatches.iter().map(|one| (one.kind, one.timeline.events.len())).collect();
    assert_eq!(told, [(Kind::IoError, 1)], "its own error, and nothing of the one before");
    assert_eq!(shown.lives.open, 0);
}

#[test]
fn another_attempt_may_not_have_been_told() {
    let (mut kernel, mut hangs) = hanging();
    kernel.after(SECOND);
    look(&mut kernel, &hangs, 1);
    kernel.plain(Probe::Requeue, &mut hangs);
    kernel.issue(&mut hangs);
    let again = kernel.now;
    for _ in 0..3 {
        kernel.after(SECOND);
        look(&mut kernel, &hangs, 1);
        assert!(snapshot(&mut kernel).mismatches.is_empty(), "the second attempt is not so old");
    }
    for _ in 0..4 {
        kernel.after(SECOND);
        look(&mut kernel, &hangs, 1);
    }
    let shown = snapshot(&mut kernel);
    assert_eq!(kinds(&shown), [Kind::StuckInDevice]);
    let told = &shown.mismatches[0];
    assert!(told.last - told.waited.unwrap() >= again, "{told:?}");
}

#[test]
fn what_hung_ends_well_once_everything_is_followed_again() {
    let (mut kernel, mut hangs) = hanging();
    kernel.after(SECOND);
    look(&mut kernel, &hangs, 1);
    follow(&mut kernel, Sample::ALL);
    kernel.after(SECOND);
    look(&mut kernel, &hangs, 1);
    kernel.after(5).complete(&mut hangs, 4096, 0);
    kernel.after(5).ordinary(hangs.address, READ, 16, true);
    let shown = snapshot(&mut kernel);
    assert!(shown.mismatches.is_empty());
    let reads = figures(&shown, Operation::Read);
    assert_eq!((reads.requests, reads.unjudged), (3, [0, 0, 1]));
}

#[test]
fn a_flush_does_not_prove_what_comes_next_on_its_address() {
    for sent_before in [true, false] {
        let mut kernel = Kernel::with(Starts::None);
        let [_, address] = addresses(HALF);
        kernel.ordinary(address, READ, 0, true);
        let mut flush = kernel.allocate(address, FLUSH, 0, 0);
        if sent_before {
            kernel.issue(&mut flush);
            follow(&mut kernel, HALF);
        } else {
            follow(&mut kernel, HALF);
            kernel.issue(&mut flush);
        }
        kernel.after(5).complete(&mut flush, 0, 0);
        let mut rq = kernel.after(5).allocate(address, READ, 8, 4096);
        // This is not told.
        kernel.issue(&mut rq);
        follow(&mut kernel, Sample::ALL);
        kernel.after(5).plain(Probe::Requeue, &mut rq);
        kernel.after(5).complete(&mut rq, 4096, IOERR);
        let snapshot = snapshot(&mut kernel);
        assert_eq!((snapshot.lives.judged, snapshot.lives.unjudged), (2, 1), "{sent_before}");
        assert_eq!(snapshot.lives.inferred, 0, "{sent_before}");
    }
}

#[test]
fn a_flush_that_fails_has_nothing_to_do_with_what_is_told_next() {
    let mut kernel = Kernel::with(Starts::None);
    let [followed, _] = addresses(HALF);
    kernel.ordinary(followed, WRITE, 0, true);
    let mut flush = kernel.allocate(followed + 0x40, FLUSH, 0, 0);
    kernel.issue(&mut flush);
    kernel.complete(&mut flush, 0, IOERR);
    // What happens next on this CPU is not followed.
    follow(&mut kernel, HALF);
    let mut refused = kernel.after(SECOND).allocate(followed, WRITE, 8, 4096);
    kernel.complete(&mut refused, 4096, IOERR);
    assert_eq!(kinds(&snapshot(&mut kernel)), [Kind::FlushFailed, Kind::DispatchFailure]);
}

#[test]
fn who_else_waits_for_a_flush_is_not_known_for_a_while() {
    let mut kernel = Kernel::with(Starts::Flagged);
    let [one, other] = addresses(HALF);
    let fail = |kernel: &mut Kernel| {
        let mut rq = kernel.after(SECOND).allocate(one, WRITE | 1 << 18, 8, 4096);
        kernel.start(&mut rq);
        let mut flush = kernel.allocate(other + 0x40, FLUSH, 0, 0);
        kernel.after(5).issue(&mut flush);
        kernel.after(5).complete(&mut flush, 0, IOERR);
        kernel.complete(&mut rq, 0, IOERR);
        let told = snapshot(kernel).mismatches.into_iter();
        let flushes = told.filter(|one| one.operation == Operation::Flush);
        flushes.max_by_key(|one| one.last).unwrap().owner.task.map(|task| task.pid)
    };
    kernel.ordinary(one, WRITE, 0, true);
    assert_eq!(fail(&mut kernel), Some(42));
    follow(&mut kernel, HALF);
    assert_eq!(fail(&mut kernel), None);
    follow(&mut kernel, Sample::ALL);
    assert_eq!(fail(&mut kernel), None, "one that was not followed may wait for it still");
    kernel.after(10 * SECOND);
    assert_eq!(fail(&mut kernel), Some(42));
}

#[test]
fn what_is_told_and_not_followed_is_counted() {
    let mut kernel = Kernel::new();
    // The engine leaves it out, and the programs do not yet.
    kernel.resample(HALF);
    for address in addresses(HALF) {
        kernel.ordinary(address, READ, 8, true);
    }
    let snapshot = snapshot(&mut kernel);
    let passed_over = |probe: Probe| snapshot.probes[probe as usize].passed_over;
    assert_eq!(Probe::ALL.map(passed_over).iter().sum::<u64>(), 3);
    assert_eq!(passed_over(Probe::Complete), 1);
    assert_eq!(snapshot.lives.judged, 1);
    assert_eq!(figures(&snapshot, Operation::Read).extrapolated, 1);
}

#[test]
fn where_no_request_is_followed_none_stands_for_others() {
    assert_eq!(Sample::NONE.weight(Operation::Read), 1);
    assert_eq!(HALF.weight(Operation::Read), 2);
    assert_eq!(HALF.weight(Operation::Flush), 1);
}
