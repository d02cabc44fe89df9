//! The engine on streams of the little block layer.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use iotruth_common::probe::Probe;
use proptest::prelude::*;

use super::{
    flavor::Flavor,
    io_error::IoError,
    kind::{Kind, Severity},
    operation::Operation,
    phase::Phase,
    snapshot::{OperationFigures, Snapshot, Unjudged},
    synthetic::{DISK, Kernel},
};

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 2;
const IOERR: i32 = 10;

fn figures(snapshot: &Snapshot, operation: Operation) -> OperationFigures {
    snapshot.devices[&DISK].operations[operation as usize].as_deref().cloned().unwrap_or_default()
}

fn kinds(snapshot: &Snapshot) -> Vec<Kind> {
    snapshot.mismatches.iter().map(|mismatch| mismatch.kind).collect()
}

/// What must hold of every snapshot.
fn check_books(snapshot: &Snapshot) {
    let lives = &snapshot.lives;
    assert_eq!(
        lives.opened,
        lives.judged + lives.merged + lives.unjudged + lives.open + lives.evicted,
        "{lives:?}"
    );
    assert_eq!(lives.impossible, 0);
    for device in snapshot.devices.values() {
        for figures in device.operations.iter().flatten() {
            let unjudged: u64 = figures.unjudged.iter().sum();
            let count = |phase: Phase| {
                figures.phases[phase as usize]
                    .as_ref()
                    .map_or(0, super::histogram::Histogram::count)
            };
            let sum = |phase: Phase| {
                figures.phases[phase as usize].as_ref().map_or(0, super::histogram::Histogram::sum)
            };
            for phase in [Phase::Queue, Phase::Device, Phase::Total] {
                assert_eq!(
                    figures.requests,
                    count(phase) + figures.phase_unknown[phase as usize] + unjudged
                );
            }
            let parts =
                sum(Phase::Queue) + sum(Phase::Retry) + sum(Phase::Device) + sum(Phase::Flush);
            assert_eq!(parts, sum(Phase::Total));
        }
    }
}

fn snapshot(kernel: &mut Kernel) -> Snapshot {
    kernel.audit();
    let snapshot = kernel.engine.snapshot(kernel.now);
    check_books(&snapshot);
    snapshot
}

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
    assert_eq!(error.error, Some((IoError::Io, 10)));
    assert_eq!(error.owner.task.unwrap().name(), "fio");
    assert_eq!(error.timeline.events.len(), 6);
    assert_eq!((error.phases.retry, error.phases.device), (Some(40), Some(10)));
    assert_eq!(snapshot.devices[&DISK].requeues, [0, 0, 0, 1, 0]);
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
            Kind::RequeueTimeout
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
    assert!(snapshot.mismatches.is_empty());
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
fn an_idle_device_has_no_ghosts() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(0x40, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.hide = 1;
    kernel.after(9).complete(&mut rq, 4096, 0);
    kernel.audit();
    let now = kernel.now;
    kernel.engine.close_finished(DISK, now - 100);
    assert_eq!(snapshot(&mut kernel).lives.open, 1, "its last event is younger than the look");
    kernel.engine.close_finished(DISK, now);
    assert_eq!(snapshot(&mut kernel).lives.open, 0);
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

/// One legal life, event by event, so that several can be interleaved.
#[derive(Clone, Copy, Debug)]
enum Path {
    Direct,
    Queued,
    Merged,
    Bounced,
    BusyAfterStart,
    Short,
}

fn play(kernel: &mut Kernel, path: Path, address: u64, steps: &[u64; 6]) {
    let mut rq = kernel.allocate(address, READ, address, 8192);
    let mut step = steps.iter().copied().cycle();
    let mut tick = |kernel: &mut Kernel| {
        kernel.after(step.next().unwrap_or(1));
    };
    tick(kernel);
    if !matches!(path, Path::Direct | Path::Bounced) {
        kernel.insert(&mut rq);
        tick(kernel);
    }
    match path {
        Path::Direct | Path::Queued => {}
        Path::Merged => {
            kernel.plain(Probe::Merge, &mut rq);
            return;
        }
        Path::Bounced => kernel.plain(Probe::Requeue, &mut rq),
        Path::BusyAfterStart => {
            kernel.issue(&mut rq);
            tick(kernel);
            kernel.plain(Probe::Requeue, &mut rq);
        }
        Path::Short => {
            kernel.issue(&mut rq);
            tick(kernel);
            kernel.complete(&mut rq, 4096, 0);
            tick(kernel);
            kernel.plain(Probe::Requeue, &mut rq);
            tick(kernel);
            kernel.insert(&mut rq);
        }
    }
    tick(kernel);
    kernel.issue(&mut rq);
    tick(kernel);
    let rest = rq.len;
    kernel.complete(&mut rq, rest, 0);
}

fn paths() -> impl Strategy<Value = Path> {
    prop_oneof![
        Just(Path::Direct),
        Just(Path::Queued),
        Just(Path::Merged),
        Just(Path::Bounced),
        Just(Path::BusyAfterStart),
        Just(Path::Short),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn phases_add_up_and_books_balance(
        lives in prop::collection::vec((paths(), 0_u64..8, prop::array::uniform6(0_u64..1_000_000)), 1..200),
    ) {
        let mut kernel = Kernel::new();
        for (path, address, steps) in &lives {
            play(&mut kernel, *path, 0x40 * (address + 1), steps);
        }
        let snapshot = snapshot(&mut kernel);
        prop_assert_eq!(snapshot.lives.open, 0);
        prop_assert_eq!(snapshot.lives.unjudged, 0);
        let merged = lives.iter().filter(|(path, ..)| matches!(path, Path::Merged)).count() as u64;
        prop_assert_eq!(figures(&snapshot, Operation::Read).merges, merged);
        prop_assert_eq!(snapshot.lives.judged, lives.len() as u64 - merged);
    }

    #[test]
    fn no_loss_makes_a_mismatch(
        lives in prop::collection::vec(
            (paths(), 0_u64..4, prop::array::uniform6(0_u64..1_000_000), 0_u32..20, 0_u32..20), 1..200),
    ) {
        let mut kernel = Kernel::new();
        for (path, address, steps, refuse, hide) in &lives {
            kernel.refuse = if *refuse < 4 { *refuse } else { kernel.refuse };
            kernel.hide = u32::from(*hide == 0);
            play(&mut kernel, *path, 0x40 * (address + 1), steps);
        }
        let snapshot = snapshot(&mut kernel);
        let shown = snapshot.mismatches.iter().filter(|entry| entry.kind.row().severity > Severity::Info);
        prop_assert_eq!(shown.count(), 0);
    }
}
