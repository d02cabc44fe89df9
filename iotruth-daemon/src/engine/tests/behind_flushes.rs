//! Requests that wait for a flush, and those that nothing holds.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use super::{FLUSH, WRITE, kinds, snapshot};
use crate::engine::{
    Starts,
    flavor::Flavor,
    kind::Kind,
    operation::Operation,
    phase::Phase,
    synthetic::{Kernel, QUEUE, Request},
};

const SECOND: u64 = 1_000_000_000;
const ADDRESS: u64 = 0x40;

#[test]
fn who_waits_for_a_flush_is_not_stuck_but_the_flush_is() {
    let mut kernel = Kernel::new();
    let preflush = Flavor::linux_6_12().req.preflush;
    let mut write = kernel.allocate(ADDRESS, WRITE | preflush, 8, 4096);
    kernel.start(&mut write);
    let mut flush = kernel.allocate(0x80, FLUSH | preflush, u64::MAX, 0);
    flush.bio = false;
    kernel.issue(&mut flush);
    kernel.after(6 * SECOND);
    kernel.audit();
    let (waiting, busy) = (Kernel::memory(QUEUE, &write, 1), Kernel::memory(QUEUE, &flush, 1));
    kernel.census(|address| Some(if address == ADDRESS { waiting.clone() } else { busy.clone() }));
    let snapshot = snapshot(&mut kernel);
    assert_eq!(kinds(&snapshot), [Kind::StuckInDevice]);
    assert_eq!(snapshot.mismatches[0].operation, Operation::Flush);
    let phases: Vec<Phase> = snapshot.in_flight.oldest.iter().map(|open| open.phase).collect();
    assert_eq!(phases, [Phase::Flush, Phase::Device]);
}

/// A flush of the hardware queue, and a census that finds these requests where their events left them.
pub(super) fn flush(kernel: &Kernel) -> Request {
    let flavor = Flavor::linux_6_12();
    let mut flush = kernel.allocate(0x80, FLUSH | flavor.req.preflush, u64::MAX, 0);
    flush.bio = false;
    flush.rq_flags |= flavor.rqf.flush_seq;
    flush
}

fn look_at(kernel: &mut Kernel, all: &[&Request]) {
    kernel.audit();
    let memory: Vec<_> = all.iter().map(|rq| (rq.address, Kernel::memory(QUEUE, rq, 1))).collect();
    kernel.census(|address| {
        memory.iter().find(|(there, _)| *there == address).map(|(_, bytes)| bytes.clone())
    });
}

/// What is told, and the phase of what is open.
fn told(kernel: &mut Kernel) -> (Vec<(Kind, Operation)>, Vec<Phase>) {
    let snapshot = snapshot(kernel);
    let told = snapshot.mismatches.iter().map(|one| (one.kind, one.operation)).collect();
    (told, snapshot.in_flight.oldest.iter().map(|open| open.phase).collect())
}

#[test]
fn a_request_that_no_flush_holds_is_stuck_in_its_queue() {
    let flavor = Flavor::linux_6_12();
    let hung = vec![(Kind::StuckInQueue, Operation::Write), (Kind::HungInQueue, Operation::Write)];
    // Nobody sends its flush; it is flushed and not queued; it is queued and not issued.
    let ways =
        [(false, false, Phase::Flush), (true, false, Phase::Queue), (true, true, Phase::Queue)];
    for (flushed, queued, phase) in ways {
        let mut kernel = Kernel::with(Starts::Flagged);
        let mut write = kernel.allocate(ADDRESS, WRITE | flavor.req.preflush, 8, 4096);
        kernel.after(10).start(&mut write);
        write.rq_flags |= flavor.rqf.flush_seq;
        if flushed {
            let mut flush = flush(&kernel);
            kernel.after(10).issue(&mut flush);
            kernel.after(SECOND).complete(&mut flush, 0, 0);
        }
        if queued {
            kernel.after(10).insert(&mut write);
        }
        kernel.after(60 * SECOND);
        look_at(&mut kernel, &[&write]);
        assert_eq!(told(&mut kernel), (hung.clone(), vec![phase]), "{flushed} {queued}");
        let phases = snapshot(&mut kernel).mismatches[0].phases;
        if flushed {
            assert_eq!((phases.flush.unwrap() / SECOND, phases.queue.unwrap() / SECOND), (1, 60));
        }
    }
    // The flush after its data.
    let mut kernel = Kernel::with(Starts::Flagged);
    let mut write = kernel.allocate(ADDRESS, WRITE | flavor.req.fua, 8, 4096);
    kernel.after(10).start(&mut write);
    write.rq_flags |= flavor.rqf.flush_seq;
    kernel.after(10).issue(&mut write);
    kernel.after(10).complete(&mut write, 4096, 0);
    kernel.after(60 * SECOND);
    look_at(&mut kernel, &[&write]);
    assert_eq!(told(&mut kernel), (hung, vec![Phase::Flush]));
}

#[test]
fn who_waits_for_the_flush_after_the_one_that_is_on_its_way_is_not_stuck() {
    let flavor = Flavor::linux_6_12();
    let mut kernel = Kernel::with(Starts::Flagged);
    let mut first = flush(&kernel);
    kernel.after(10).issue(&mut first);
    let mut write = kernel.allocate(ADDRESS, WRITE | flavor.req.preflush, 8, 4096);
    kernel.after(10).start(&mut write);
    kernel.after(6 * SECOND);
    look_at(&mut kernel, &[&write, &first]);
    kernel.after(10).complete(&mut first, 0, 0);
    // Its own flush is just to be sent.
    kernel.after(10);
    look_at(&mut kernel, &[&write, &first]);
    let slow = [(Kind::StuckInDevice, Operation::Flush), (Kind::SlowFlush, Operation::Flush)];
    assert_eq!(told(&mut kernel).0, slow);
    let mut second = flush(&kernel);
    kernel.after(10).issue(&mut second);
    kernel.after(6 * SECOND);
    look_at(&mut kernel, &[&write, &second]);
    assert_eq!(told(&mut kernel).1, [Phase::Flush, Phase::Device]);
    kernel.after(10).complete(&mut second, 0, 0);
    assert!(told(&mut kernel).0.iter().all(|(_, operation)| *operation == Operation::Flush));
    // It is forgotten, and others go on.
    for _ in 0..9 {
        let mut other = flush(&kernel);
        kernel.after(10).issue(&mut other);
        kernel.after(SECOND).complete(&mut other, 0, 0);
    }
    let mut other = flush(&kernel);
    kernel.after(10).issue(&mut other);
    look_at(&mut kernel, &[&write, &other]);
    // The first flush that was sent after it began may have been made before.
    kernel.after(9 * SECOND);
    look_at(&mut kernel, &[&write, &other]);
    assert!(told(&mut kernel).0.contains(&(Kind::StuckInQueue, Operation::Write)));
}

#[test]
fn any_number_of_requests_can_wait_for_one_flush() {
    let preflush = Flavor::linux_6_12().req.preflush;
    let mut kernel = Kernel::with(Starts::Flagged);
    let mut flush = flush(&kernel);
    kernel.issue(&mut flush);
    let mut all = vec![flush];
    for number in 0..5_000 {
        let mut write = kernel.allocate(0x1_0000 + 64 * number, WRITE | preflush, 0, 0);
        kernel.after(1).start(&mut write);
        all.push(write);
    }
    kernel.after(6 * SECOND);
    look_at(&mut kernel, &all.iter().collect::<Vec<_>>());
    assert_eq!(told(&mut kernel).0, [(Kind::StuckInDevice, Operation::Flush)]);
}
