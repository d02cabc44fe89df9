//! The reader, beside programs that are made up.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    array::from_fn,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst},
    },
    thread,
};

use iotruth_common::{
    counters::ProgramCounters,
    probe::{PROGRAMS, Probe, Program},
};

use super::{
    ATTEMPT, ATTEMPTS, HEAD, LEEWAY, Memory, PATIENCE, PerCpu, REFUSED, Reading, SPOILT, TIME,
};
use crate::kernel::{Lanes, lanes::LENGTHS, mapped::Mapped};

/// An hour after the machine was started.
const NOW: u64 = 3_600_000_000_000;

const ISSUE: Program = Program::first(Probe::Issue);
const COMPLETE: Program = Program::first(Probe::Complete);

const CPUS: u32 = 2;

/// Rings of two CPUs, for one reader.
fn rings() -> (Arc<Memory>, Lanes, PerCpu) {
    let lanes = Lanes::fit(1 << 20, CPUS, CPUS, 1, false, true).unwrap();
    let memory = memory(&lanes);
    let reader = PerCpu::new(Arc::clone(&memory), &lanes, 0);
    (memory, lanes, reader)
}

fn memory(lanes: &Lanes) -> Arc<Memory> {
    let new = |bytes: usize| Mapped::anonymous(bytes).unwrap();
    Arc::new(Memory {
        counters: Arc::new(new(2 * PROGRAMS * size_of::<ProgramCounters>())),
        slots: from_fn(|array| new(lanes.entries(array) as usize * LENGTHS[array])),
    })
}

/// A program on a CPU, as it writes.
struct Writer {
    memory: Arc<Memory>,
    ring: Reading,
}

impl Writer {
    fn new(memory: &Arc<Memory>, lanes: &Lanes, program: Program, cpu: usize) -> Self {
        Self::into(memory, lanes, program, cpu, 0)
    }

    /// One that writes into the ring with this number.
    fn into(
        memory: &Arc<Memory>,
        lanes: &Lanes,
        program: Program,
        cpu: usize,
        ring: usize,
    ) -> Self {
        let ring = Reading::new(lanes, program, cpu, ring).unwrap();
        Self { memory: Arc::clone(memory), ring }
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        self.memory.counters.word(self.ring.counters + offset)
    }

    /// Begins a record; its number.
    fn begin(&self) -> u64 {
        self.word(ATTEMPTS).fetch_add(1, SeqCst) + 1
    }

    /// Ends it; whether there was room.
    fn end(&self, attempt: u64, time: u64) -> bool {
        let head = self.word(HEAD);
        let number = head.load(Relaxed);
        if number - self.memory.counters.word(self.ring.freed_at).load(Relaxed) > self.ring.mask {
            self.word(REFUSED).fetch_add(1, Release);
            return false;
        }
        let slots = &self.memory.slots[self.ring.array];
        let slot = self.ring.slot(number);
        slots.word(slot + TIME).store(time, Relaxed);
        slots.word(slot + ATTEMPT).store(attempt, Relaxed);
        head.store(number + 1, Release);
        true
    }

    fn write(&self, time: u64) -> bool {
        let attempt = self.begin();
        self.end(attempt, time)
    }
}

/// All that can be handed out at this time: time stamps, or 0 for what is no record.
fn drain(reader: &mut PerCpu, now: u64) -> Vec<u64> {
    let mut handed = Vec::new();
    let count = reader.drain(usize::MAX, || now, |bytes| handed.push(time(bytes)));
    assert_eq!(count, handed.len());
    handed
}

fn time(bytes: &[u8]) -> u64 {
    if bytes.len() == SPOILT { 0 } else { u64::from_ne_bytes(*bytes.first_chunk().unwrap()) }
}

#[test]
fn records_of_all_cpus_come_in_the_order_of_time() {
    let (memory, lanes, mut reader) = rings();
    let [here, there] = [0, 1].map(|cpu| Writer::new(&memory, &lanes, ISSUE, cpu));
    let end = Writer::new(&memory, &lanes, COMPLETE, 1);
    for step in 0..100 {
        assert!(there.write(NOW + 3 * step));
        assert!(end.write(NOW + 3 * step + 2));
    }
    for step in 0..100 {
        assert!(here.write(NOW + 3 * step + 1));
    }
    assert!(drain(&mut reader, NOW + LEEWAY - 1).is_empty(), "something older may come");
    assert_eq!(reader.reached(), NOW - 1);
    let all: Vec<u64> = (NOW..NOW + 300).collect();
    assert_eq!(drain(&mut reader, NOW + 200 + LEEWAY), all[..=200]);
    assert_eq!(drain(&mut reader, NOW + 300 + LEEWAY), all[201..]);
    assert_eq!(reader.reached(), NOW + 300);
}

#[test]
fn each_reader_has_what_is_for_it_and_nobody_waits_for_another() {
    let lanes = Lanes::fit(1 << 20, CPUS, CPUS, 4, false, false).unwrap();
    let memory = memory(&lanes);
    let mut readers = [0, 1, 2, 3].map(|ring| PerCpu::new(Arc::clone(&memory), &lanes, ring));
    let writers = [0, 1, 2, 3].map(|ring| {
        [(ISSUE, 0), (ISSUE, 1), (COMPLETE, 1)]
            .map(|(program, cpu)| Writer::into(&memory, &lanes, program, cpu, ring))
    });
    let room = writers[0][0].ring.mask + 1;
    for number in 0..room {
        for (ring, of_ring) in (0..).zip(&writers) {
            for (place, writer) in (0..).zip(of_ring) {
                assert!(writer.write(NOW + (number * 3 + place) * 4 + ring));
            }
        }
    }
    // It is full, and the others are as well, but each is told by its own.
    assert!(!writers[2][0].write(NOW + 12 * room));
    // In the middle of a record for the last one.
    let attempt = writers[3][1].begin();
    let now = NOW + 12 * room + LEEWAY;
    for (ring, reader) in (0..3).zip(&mut readers) {
        let expected: Vec<u64> = (0..3 * room).map(|step| NOW + step * 4 + ring).collect();
        assert_eq!(drain(reader, now), expected, "ring {ring}");
    }
    assert!(writers[2][0].write(now + 1) && !writers[3][0].write(now + 1));
    assert_eq!(drain(&mut readers[2], now + 1 + LEEWAY), [now + 1]);
    assert!(!writers[3][1].end(attempt, now));
    assert_eq!(drain(&mut readers[3], now + 1 + LEEWAY).len() as u64, 3 * room);
    assert!(readers.iter().all(|reader| !reader.had_two_writers()));
}

#[test]
fn runs_of_any_length_are_merged_whatever_the_limit() {
    let (memory, lanes, mut reader) = rings();
    let writers = [(ISSUE, 0), (ISSUE, 1), (COMPLETE, 0), (COMPLETE, 1)]
        .map(|(program, cpu)| Writer::new(&memory, &lanes, program, cpu));
    let mut time = NOW;
    for step in 0..60_usize {
        // One to seven at a time, of each ring in turns of its own; some at the same time.
        for _ in 0..=step % 7 {
            assert!(writers[step * 7 % 11 % 4].write(time));
            time += step as u64 % 3;
        }
    }
    let mut handed = Vec::new();
    for limit in (1..).take_while(|limit| limit * (limit + 1) / 2 < 400) {
        let now = time + LEEWAY;
        let count = reader.drain(limit, || now, |bytes| handed.push(self::time(bytes)));
        assert!(count <= limit, "{count} of {limit}");
    }
    assert_eq!(handed.len(), (0..60).map(|step| step % 7 + 1).sum::<usize>());
    assert!(handed.is_sorted(), "{handed:?}");
    assert_eq!(reader.reached(), time);
}

#[test]
fn a_limit_cuts_a_chunk_in_two() {
    let (memory, lanes, mut reader) = rings();
    let issue = Writer::new(&memory, &lanes, ISSUE, 0);
    for step in 0..10 {
        assert!(issue.write(NOW + step));
    }
    let mut handed = Vec::new();
    let now = NOW + 10 + LEEWAY;
    assert_eq!(reader.drain(4, || now, |bytes| handed.push(time(bytes))), 4);
    assert!(reader.reached() < NOW, "the rest has not been handed out");
    assert_eq!(reader.drain(100, || now, |bytes| handed.push(time(bytes))), 6);
    assert_eq!(handed, (NOW..NOW + 10).collect::<Vec<_>>());
    assert_eq!(reader.reached(), NOW + 10);
}

#[test]
fn nothing_is_handed_out_before_what_a_program_is_in_the_middle_of() {
    let (memory, lanes, mut reader) = rings();
    let [slow, fast] = [0, 1].map(|cpu| Writer::new(&memory, &lanes, ISSUE, cpu));
    assert!(fast.write(NOW));
    assert_eq!(drain(&mut reader, NOW + 10 + LEEWAY), [NOW]);
    // It has read the time, and its CPU is stopped.
    let attempt = slow.begin();
    let begun = NOW + 20;
    for step in 0..5 {
        assert!(fast.write(begun + 10 + step));
    }
    for wait in [1, 10, 100] {
        assert!(drain(&mut reader, begun + wait * LEEWAY).is_empty());
        assert_eq!(reader.reached(), NOW + 10);
    }
    assert!(slow.end(attempt, begun));
    let handed = drain(&mut reader, begun + 200 * LEEWAY);
    assert_eq!(handed, [begun, begun + 10, begun + 11, begun + 12, begun + 13, begun + 14]);
}

#[test]
fn what_comes_too_late_is_no_record_and_what_follows_is_one() {
    let (memory, lanes, mut reader) = rings();
    let [slow, fast] = [0, 1].map(|cpu| Writer::new(&memory, &lanes, ISSUE, cpu));
    let attempt = slow.begin();
    assert!(fast.write(NOW + 5));
    assert!(drain(&mut reader, NOW + PATIENCE).is_empty());
    assert_eq!(drain(&mut reader, NOW + 5 + PATIENCE), [NOW + 5]);
    assert!(slow.end(attempt, NOW));
    assert!(slow.write(NOW + 20));
    assert_eq!(drain(&mut reader, NOW + 20 + PATIENCE), [0, NOW + 20]);
}

#[test]
fn two_writers_are_found_out() {
    let (memory, lanes, mut reader) = rings();
    let issue = Writer::new(&memory, &lanes, ISSUE, 0);
    assert!(issue.write(NOW));
    // One is interrupted by another between its count and its record.
    let outer = issue.begin();
    assert!(issue.write(NOW + 2));
    assert!(issue.end(outer, NOW + 1));
    assert!(!reader.had_two_writers());
    assert_eq!(drain(&mut reader, NOW + 10 + LEEWAY), [NOW, 0, 0]);
    assert!(reader.had_two_writers());
}

#[test]
fn two_writers_of_one_slot_are_found_out() {
    let (memory, lanes, mut reader) = rings();
    let issue = Writer::new(&memory, &lanes, ISSUE, 0);
    assert!(issue.write(NOW));
    // One is interrupted by another while it fills its slot, and fills and publishes it once more.
    let outer = issue.begin();
    assert!(issue.write(NOW + 2));
    let head = issue.word(HEAD);
    head.store(head.load(Relaxed) - 1, Relaxed);
    assert!(issue.end(outer, NOW + 1));
    assert!(issue.write(NOW + 3));
    let now = NOW + PATIENCE + 10;
    assert_eq!(drain(&mut reader, now), [NOW, NOW + 1, 0]);
    assert!(reader.had_two_writers());
}

#[test]
fn where_room_runs_out_nobody_is_waited_for() {
    let (memory, lanes, mut reader) = rings();
    let [slow, fast] = [0, 1].map(|cpu| Writer::new(&memory, &lanes, ISSUE, cpu));
    assert!(drain(&mut reader, NOW).is_empty());
    let attempt = slow.begin();
    let room = fast.ring.mask + 1;
    for step in 0..room / 2 {
        assert!(fast.write(NOW + step));
    }
    let now = NOW + room + LEEWAY;
    assert!(drain(&mut reader, now).is_empty());
    for step in room / 2..room {
        assert!(fast.write(NOW + step));
    }
    assert_eq!(drain(&mut reader, now).len() as u64, room);
    assert!(slow.end(attempt, NOW));
    assert_eq!(drain(&mut reader, now + LEEWAY), [0]);
}

#[test]
fn a_full_ring_refuses_and_counts_that() {
    let (memory, lanes, mut reader) = rings();
    let issue = Writer::new(&memory, &lanes, ISSUE, 0);
    let room = issue.ring.mask + 1;
    for step in 0..room {
        assert!(issue.write(NOW + step));
    }
    assert!(!issue.write(NOW + room) && !issue.write(NOW + room + 1));
    assert_eq!(drain(&mut reader, NOW + room + LEEWAY).len() as u64, room);
    assert!((reader.take_fill() - 1.0).abs() < f64::EPSILON);
    assert!(issue.write(NOW + room + 2));
    assert_eq!(drain(&mut reader, NOW + room + 2 + LEEWAY), [NOW + room + 2]);
    assert_eq!(issue.word(REFUSED).load(Relaxed), 2);
}

#[test]
fn billions_that_were_refused_are_no_second_writer() {
    for (billions, found_out) in [(1, true), (3, true), (5, false)] {
        let (memory, lanes, mut reader) = rings();
        let issue = Writer::new(&memory, &lanes, ISSUE, 0);
        for time in NOW..NOW + 3 {
            assert!(issue.write(time));
            for counter in [ATTEMPTS, REFUSED] {
                issue.word(counter).fetch_add(billions * 1_000_000_000, Relaxed);
            }
        }
        assert_eq!(drain(&mut reader, NOW + 3 + LEEWAY), [NOW, NOW + 1, NOW + 2]);
        assert!(issue.write(NOW + 3));
        assert_eq!(drain(&mut reader, NOW + 3 + LEEWAY), [NOW + 3]);
        assert!(!reader.had_two_writers());
        // One more is missing than was refused, which shows unless more were refused than numbers tell.
        issue.begin();
        assert!(issue.write(NOW + 4));
        drain(&mut reader, NOW + 4 + PATIENCE);
        assert_eq!(reader.had_two_writers(), found_out);
    }
}

#[test]
fn once_no_program_runs_any_more_everything_is_handed_out() {
    let (memory, lanes, mut reader) = rings();
    let issue = Writer::new(&memory, &lanes, ISSUE, 1);
    assert!(issue.write(NOW));
    assert!(drain(&mut reader, NOW).is_empty());
    reader.end();
    assert_eq!(drain(&mut reader, NOW), [NOW]);
    assert_eq!(reader.reached(), u64::MAX);
}

/// Threads write and a reader reads, all as fast as they can, by a clock that they share.
#[test]
fn under_load_nothing_is_lost_but_what_is_counted_and_all_is_in_order() {
    const RECORDS: u64 = 100_000;
    let (memory, lanes, mut reader) = rings();
    let clock = AtomicU64::new(NOW);
    let programs = [ISSUE, COMPLETE, Program::second(Probe::Issue), Program::first(Probe::Merge)];
    let mut handed = Vec::new();
    let written: u64 = thread::scope(|scope| {
        let writers: Vec<_> = programs
            .into_iter()
            .flat_map(|program| [0, 1].map(|cpu| Writer::new(&memory, &lanes, program, cpu)))
            .map(|writer| {
                let clock = &clock;
                scope.spawn(move || {
                    let write = |_: &u64| {
                        let attempt = writer.begin();
                        // Far more slowly than the leeway lasts.
                        let time = clock.fetch_add(1, SeqCst);
                        if attempt.is_multiple_of(64) {
                            thread::yield_now();
                        }
                        writer.end(attempt, time)
                    };
                    (0..RECORDS).filter(write).count() as u64
                })
            })
            .collect();
        let now = || clock.load(SeqCst) + LEEWAY;
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            reader.drain(1000, now, |bytes| handed.push(time(bytes)));
        }
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    reader.end();
    reader.drain(usize::MAX, || 0, |bytes| handed.push(time(bytes)));
    assert_eq!(handed.len() as u64, written);
    assert!(!reader.had_two_writers());
    // Where rings were nearly full, some came too late.
    handed.retain(|time| *time > 0);
    assert!(handed.is_sorted_by(|before, after| before < after), "out of order");
    let mut counted = BTreeMap::<&str, u64>::new();
    for program in programs {
        for cpu in [0, 1] {
            let writer = Writer::new(&memory, &lanes, program, cpu);
            let word = |offset: usize| writer.word(offset).load(Relaxed);
            *counted.entry("attempts").or_default() += word(ATTEMPTS);
            *counted.entry("lost").or_default() += word(REFUSED);
        }
    }
    assert_eq!(counted["attempts"], written + counted["lost"]);
    assert_eq!(counted["attempts"], RECORDS * 8);
}
