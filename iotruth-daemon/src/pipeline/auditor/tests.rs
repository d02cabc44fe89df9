#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use iotruth_common::{counters::MAX_RINGS, probe::PROBES};

use super::{Auditee, Auditor, Findings, PATIENCE, TryRecvError};
use crate::{
    config::Config,
    engine::{Audit, Engine, device::DeviceId},
    pipeline::{
        clock,
        fake::{self, Tree},
        helper::Health,
    },
};

const SDA: DeviceId = DeviceId { number: 8 << 20, sequence: 3 };

/// An auditor of one reader that audits often.
fn start(tree: &Tree) -> (Auditor, Auditee) {
    let config = Config { audit_interval: Duration::from_millis(10), ..Config::default() };
    let (auditor, mut auditees) = Auditor::start(Arc::new(config), 1, tree.places()).unwrap();
    (auditor, auditees.pop().unwrap())
}

/// Waits until it is so.
fn until(auditor: &Auditor, mut hoped: impl FnMut(&Findings) -> bool) {
    let begin = Instant::now();
    while !hoped(&auditor.findings()) {
        assert!(begin.elapsed().as_secs() < 20, "{:?}", auditor.findings());
        thread::yield_now();
    }
}

/// What the kernel says of so many reads.
fn statistics(reads: u64) -> String {
    format!("8 0 sda {reads} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
}

fn write_reads(tree: &Tree, reads: u64) {
    std::fs::write(tree.places().statistics, statistics(reads)).unwrap();
}

/// What the reader does, all of whose rings are empty.
fn answer(auditee: &mut Auditee, engine: &mut Engine) {
    if auditee.wants_counters(engine) {
        engine.audit(Audit { read: clock::monotonic(), ..Audit::default() });
    }
    auditee.answer(engine);
}

/// Whether its thread is on an errand that does not end.
fn is_blocked(auditor: &Auditor) -> bool {
    let later = clock::monotonic() + 20_000_000_000;
    matches!(auditor.helper().health(later), Health::Blocked(_))
}

#[test]
fn statistics_that_cannot_be_read_delay_the_start_and_do_not_prevent_it() {
    let tree = Tree::new();
    tree.add("sda", SDA);
    tree.hang("sda/queue/iostats");
    let (auditor, mut auditee) = start(&tree);
    let begin = Instant::now();
    assert!(!auditor.read_baseline());
    assert!((PATIENCE..2 * PATIENCE).contains(&begin.elapsed()));
    auditor.attached(clock::monotonic());
    assert!(is_blocked(&auditor));
    // The disk is well again. What was read before the attaching and came too late is of no use.
    recover(&tree);
    let mut engine = fake::engine();
    until(&auditor, |findings| {
        answer(&mut auditee, &mut engine);
        findings.whole > 0
    });
}

/// Lets the reading that hangs go on, and makes the file a plain one again.
fn recover(tree: &Tree) {
    tree.free("sda/queue/iostats", "1");
    let file = tree.places().disks.join("sda/queue/iostats");
    let plain = tree.places().disks.join("plain");
    std::fs::write(&plain, "1").unwrap();
    std::fs::rename(plain, file).unwrap();
}

#[test]
fn while_not_every_request_is_followed_there_are_no_audits() {
    let tree = Tree::new();
    tree.add("sda", SDA);
    write_reads(&tree, 3);
    let (auditor, mut auditee) = start(&tree);
    assert!(auditor.read_baseline());
    auditor.attached(clock::monotonic());
    let mut engine = fake::engine();
    let pause = auditor.pause();
    let mut whole = 0;
    for _ in 0..3 {
        until(&auditor, |findings| {
            answer(&mut auditee, &mut engine);
            findings.whole > whole && !findings.audited.is_empty()
        });
        let found = auditor.findings();
        assert_eq!(found.unbroken, found.whole - whole);
        pause.begin();
        until(&auditor, |findings| {
            answer(&mut auditee, &mut engine);
            findings.paused
        });
        let paused = auditor.findings();
        assert!(paused.audited.is_empty() && paused.unbroken == 0);
        auditor.herald().met();
        thread::sleep(Duration::from_millis(50));
        answer(&mut auditee, &mut engine);
        let later = auditor.findings();
        assert_eq!((later.whole, later.given_up), (paused.whole, paused.given_up));
        whole = later.whole;
        pause.end();
    }
}

#[test]
fn a_pause_that_nobody_has_heard_of_yet_leaves_nothing_in_the_books() {
    let tree = Tree::new();
    tree.add("sda", SDA);
    write_reads(&tree, 3);
    let (auditor, mut auditee) = start(&tree);
    assert!(auditor.read_baseline());
    auditor.attached(clock::monotonic());
    let mut engine = fake::engine();
    let mut answered = |findings: &Findings, whole| {
        answer(&mut auditee, &mut engine);
        findings.whole > whole
    };
    until(&auditor, |findings| answered(findings, 1));
    tree.hang("sda/queue/iostats");
    until(&auditor, |findings| answered(findings, u64::MAX) || is_blocked(&auditor));
    // All of a pause, while its thread hangs for longer than an interval.
    auditor.pause().begin();
    write_reads(&tree, 1_000);
    auditor.pause().end();
    thread::sleep(Duration::from_millis(50));
    let before = auditor.findings().whole;
    recover(&tree);
    until(&auditor, |findings| answered(findings, before + 2));
    assert_eq!(auditor.findings().audited[&SDA].residue[0], 0);
}

#[test]
fn audits_that_are_given_up_are_counted() {
    let tree = Tree::new();
    let (auditor, mut auditee) = start(&tree);
    assert!(auditor.read_baseline());
    auditor.attached(clock::monotonic());
    // The reader says nothing for so long.
    until(&auditor, |findings| findings.given_up > 0);
    let first = auditor.findings();
    assert_eq!((first.whole, first.since > 0), (0, true));
    let mut engine = fake::engine();
    until(&auditor, |findings| {
        answer(&mut auditee, &mut engine);
        findings.whole > 0
    });
    assert!(auditor.findings().since > first.since);
}

#[test]
fn an_audit_is_given_up_while_a_ring_holds_records_back() {
    let tree = Tree::new();
    tree.add("sda", SDA);
    write_reads(&tree, 3);
    let (auditor, mut auditee) = start(&tree);
    assert!(auditor.read_baseline());
    auditor.attached(clock::monotonic());
    let mut engine = fake::engine();
    until(&auditor, |findings| {
        answer(&mut auditee, &mut engine);
        findings.whole > 1
    });
    // The kernel has counted a thousand more, whose records lie behind one that is being written.
    write_reads(&tree, 1_000);
    let given_up = auditor.findings().given_up;
    until(&auditor, |findings| {
        if auditee.wants_counters(&engine) {
            let read = clock::monotonic();
            engine.audit(Audit {
                read,
                attempts: [[1_000; MAX_RINGS]; PROBES],
                ..Audit::default()
            });
        }
        auditee.answer(&mut engine);
        findings.given_up > given_up + 1
    });
    let books = &auditor.findings().audited[&SDA];
    assert_eq!((books.residue[0], books.kernel.0[0]), (0, 0));
}

#[test]
fn nobody_is_asked_to_remember_while_a_file_of_sysfs_is_waited_for() {
    let tree = Tree::new();
    let (auditor, mut auditee) = start(&tree);
    assert!(auditor.read_baseline());
    auditor.attached(clock::monotonic());
    let mut engine = fake::engine();
    until(&auditor, |findings| {
        answer(&mut auditee, &mut engine);
        findings.whole > 0
    });
    tree.add("sda", SDA);
    tree.hang("sda/queue/iostats");
    let begin = Instant::now();
    let mut quiet = 0;
    while quiet < 100 {
        assert!(begin.elapsed().as_secs() < 20, "it goes on auditing");
        answer(&mut auditee, &mut engine);
        thread::sleep(Duration::from_millis(5));
        quiet = if is_blocked(&auditor) { quiet + 1 } else { 0 };
    }
    assert!(matches!(auditee.questions.try_recv(), Err(TryRecvError::Empty)));
    assert!(auditee.waiting.is_none());
    recover(&tree);
}

#[test]
fn the_books_of_a_device_begin_when_it_is_met_and_not_with_its_first_audit() {
    let tree = Tree::new();
    let config = Config { audit_interval: Duration::from_secs(3), ..Config::default() };
    let (auditor, mut auditees) = Auditor::start(Arc::new(config), 1, tree.places()).unwrap();
    let mut auditee = auditees.pop().unwrap();
    assert!(auditor.read_baseline());
    auditor.attached(clock::monotonic());
    until(&auditor, |findings| findings.since > 0);
    tree.add("sda", SDA);
    // Each reading waits for what it is given.
    tree.hang("../statistics");
    auditor.herald().met();
    tree.free("../statistics", &statistics(3));
    until(&auditor, |_| !is_blocked(&auditor));
    let places = tree.places();
    let audit =
        thread::spawn(move || std::fs::write(places.statistics, statistics(1_000)).unwrap());
    let mut engine = fake::engine();
    until(&auditor, |findings| {
        answer(&mut auditee, &mut engine);
        findings.whole > 0
    });
    audit.join().unwrap();
    let findings = auditor.findings();
    assert_eq!((findings.whole, findings.audited[&SDA].residue[0]), (1, -997));
}
