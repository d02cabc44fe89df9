//! The rings of each CPU and program, read as one stream in the order of time. Where there are several
//! readers, each has its own stream, of the rings with its number.
//!
//! Nobody says in which order two CPUs wrote, so their records are merged by time stamp. A record may
//! be handed out once nothing older can come any more. Each program counts its attempt before it reads
//! the time, and publishes its record, or counts it as lost, at its end. So where a ring was found to
//! have as many of the latter as of the former, all that comes later is of a later time. Where it has
//! one less, a program is in the middle of it, perhaps on a CPU that its hypervisor has stopped, and
//! that ring is as far as it was the last time. What the ring that is least far has reached, all may
//! hand out. They wait for it as long as they have room.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    mem::offset_of,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed, Release},
    },
};

use iotruth_common::{
    counters::{ProgramCounters, RingCounters},
    probe::{PROBES, PROGRAMS, Probe, Program},
    record::RequestRecord,
};

use super::{
    lanes::{ARRAYS, LENGTHS, Lanes, array},
    mapped::Mapped,
};

/// How long a store of a program may take to be seen by the reader, in nanoseconds: it waits in a
/// buffer of its processor, for a microsecond or so. It is also how far the clocks of two processors
/// may be apart.
const LEEWAY: u64 = 1_000_000;

/// How long a program may be in the middle of a record before the others are handed out all the same,
/// in nanoseconds. Its own is lost then. Verdicts are held for longer than this.
const PATIENCE: u64 = 400_000_000;

/// Records that are merged at a time, before the programs have room for as many again.
const CHUNK: usize = 2048;

/// The least of them that are taken from one ring at a time.
const LEAST: usize = 64;

/// The order of what happened at the same time, as far as clocks can tell: that in which a request
/// lives.
const ORDER: [Probe; PROBES] = [
    Probe::Start,
    Probe::Remap,
    Probe::Insert,
    Probe::Issue,
    Probe::Complete,
    Probe::Requeue,
    Probe::Merge,
];

/// Bytes that are handed out of what is no record.
const SPOILT: usize = size_of::<u64>();

/// What the rings are made of.
#[derive(Debug)]
pub(super) struct Memory {
    /// What each program counts on each CPU, and how far its rings were written and read.
    pub(super) counters: Arc<Mapped>,
    pub(super) slots: [Mapped; ARRAYS],
}

/// All rings with one number, as one.
#[derive(Debug)]
pub(super) struct PerCpu {
    lanes: Vec<Reading>,
    /// The rings that have records to be handed out: the time of the next one, and the index, so that what
    /// is of the same time comes in the order of the rings.
    next: BinaryHeap<Reverse<(u64, u32)>>,
    /// All that is older was handed out.
    reached: u64,
    /// What `reached` is once all of these are handed out: nothing that is later is.
    reaching: u64,
    /// No program runs any more.
    ended: bool,
    /// How full the fullest ring was found since that was asked.
    fullest: f64,
    memory: Arc<Memory>,
}

/// One ring: where it is, and how far it was read.
#[derive(Debug)]
struct Reading {
    /// Offset of what its program counts of it on its CPU.
    counters: usize,
    /// Offset of where the program reads how far it was read.
    freed_at: usize,
    /// Its array, and the offset of its first slot there.
    array: usize,
    first: usize,
    slot_bytes: usize,
    mask: u64,
    /// Slots that were written, and records that were refused, when this was last looked at.
    head: u64,
    lost: u64,
    /// Slots that were taken, and those of them that the program may write again.
    tail: u64,
    freed: u64,
    /// Records that were refused before the last one that was looked at, by its number.
    refused: u64,
    /// That one came after later ones were handed out, or two have written it.
    spoilt: bool,
    /// Numbers were such as a single writer cannot leave.
    two_writers: bool,
    /// Whatever comes later is of a later time.
    reached: u64,
}

impl PerCpu {
    /// `memory` has rings like these, of which none has been read; this is for those with one number.
    pub(super) fn new(memory: Arc<Memory>, lanes: &Lanes, ring: usize) -> Self {
        let mut readings = Vec::new();
        for probe in ORDER {
            for program in [Program::first(probe), Program::second(probe)] {
                for cpu in 0..lanes.cpus as usize {
                    readings.extend(Reading::new(lanes, program, cpu, ring));
                }
            }
        }
        Self {
            lanes: readings,
            next: BinaryHeap::new(),
            reached: 0,
            reaching: 0,
            ended: false,
            fullest: 0.0,
            memory,
        }
    }

    /// Hands out up to `limit` records in the order of their time, and says how many. Fewer than
    /// `limit` means that there are no more before [`Self::reached`]. `now` reads the clock.
    ///
    /// What cannot be told in its turn is handed out as the beginning of a record, which is none.
    pub(super) fn drain(
        &mut self,
        limit: usize,
        now: impl Fn() -> u64,
        mut handle: impl FnMut(&[u8]),
    ) -> usize {
        let mut drained = 0;
        while drained < limit {
            // Which comes second: in a heap it is one of the two below the first.
            let others = self.next.as_slice().get(1..).unwrap_or_default();
            let second = others.iter().take(2).max().map_or((u64::MAX, u32::MAX), |next| next.0);
            let Some(mut first) = self.next.peek_mut() else {
                self.free();
                if self.refill(now()) {
                    continue;
                }
                break;
            };
            let index = first.0.1;
            let Some(lane) = self.lanes.get_mut(index as usize) else { break };
            let Some(slots) = self.memory.slots.get(lane.array) else { break };
            // One ring mostly has several records in a row, so the heap is set right only where another
            // one has its turn.
            loop {
                let length = if lane.spoilt { SPOILT } else { lane.slot_bytes };
                // SAFETY: a program writes a slot only after the tail of its ring was moved beyond it,
                // which is when all of the chunk was handed out.
                handle(unsafe { slots.bytes(lane.slot(lane.tail), length) });
                drained += 1;
                lane.tail += 1;
                let Some(time) = lane.next(slots, self.reached, self.reaching) else {
                    PeekMut::pop(first);
                    break;
                };
                if (time, index) > second || drained == limit {
                    *first = Reverse((time, index));
                    break;
                }
            }
        }
        drained
    }

    /// How full the fullest ring was found since this was asked before.
    pub(super) const fn take_fill(&mut self) -> f64 {
        std::mem::replace(&mut self.fullest, 0.0)
    }

    /// All records of before this time have been handed out.
    pub(super) const fn reached(&self) -> u64 {
        self.reached
    }

    /// Whether two programs have written into one ring at the same time, by the numbers of its records.
    pub(super) fn had_two_writers(&self) -> bool {
        self.lanes.iter().any(|lane| lane.two_writers)
    }

    /// No program runs any more: whatever is there can be handed out.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// Gives the slots of a chunk that was handed out back to the programs.
    fn free(&mut self) {
        self.reached = self.reaching;
        // The others are left alone: a store takes the line away from the program.
        for lane in self.lanes.iter_mut().filter(|lane| lane.tail != lane.freed) {
            self.memory.counters.word(lane.freed_at).store(lane.tail, Release);
            lane.freed = lane.tail;
        }
    }

    /// Looks which records can be handed out; whether there are any.
    fn refill(&mut self, now: u64) -> bool {
        let mut until = u64::MAX;
        let mut busy = 0;
        let mut patience = PATIENCE;
        for lane in &mut self.lanes {
            lane.look(&self.memory, now);
            until = until.min(lane.reached);
            busy += usize::from(lane.head != lane.tail);
            let fill = (lane.head - lane.tail) as f64 / (lane.mask + 1) as f64;
            self.fullest = self.fullest.max(fill);
            if lane.head - lane.tail > lane.mask - lane.mask / 4 {
                // Rather one record than all that will find no room.
                patience = LEEWAY;
            }
        }
        until = if self.ended { u64::MAX } else { until.max(now.saturating_sub(patience)) };
        // Of each only so many, and so nothing that is later than the last one of any of these.
        let most = (CHUNK / busy.max(1)).max(LEAST) as u64;
        for lane in &mut self.lanes {
            if lane.head - lane.tail > most {
                lane.head = lane.tail + most;
                until = until.min(lane.last(&self.memory));
            }
        }
        self.reaching = self.reached.max(until);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let Some(slots) = self.memory.slots.get(lane.array) else { continue };
            if let Some(time) = lane.next(slots, self.reached, self.reaching) {
                self.next.push(Reverse((time, index as u32)));
            }
        }
        if self.next.is_empty() {
            self.reached = self.reaching;
        }
        !self.next.is_empty()
    }
}

/// Offsets of what a program counts of a ring.
const ATTEMPTS: usize = offset_of!(RingCounters, attempts);
const REFUSED: usize = offset_of!(RingCounters, lost);
const HEAD: usize = offset_of!(RingCounters, head);

/// Offset of the time of a record.
const TIME: usize = offset_of!(RequestRecord, time);

/// Offset of the word of a record whose lower half is its attempt.
const ATTEMPT: usize = offset_of!(RequestRecord, attempt);

const _: () = assert!(cfg!(target_endian = "little") && ATTEMPT.is_multiple_of(8));

impl Reading {
    /// The ring with this number of this CPU and program; `None` where there is no such program.
    fn new(lanes: &Lanes, program: Program, cpu: usize, ring: usize) -> Option<Self> {
        let lane = lanes.of.get(program.index()).filter(|lane| lane.mask > 0)?;
        let array = array(program.probe);
        let slot_bytes = *LENGTHS.get(array)?;
        let counters = (cpu * PROGRAMS + program.index()) * size_of::<ProgramCounters>();
        let of_ring = offset_of!(ProgramCounters, rings) + ring * size_of::<RingCounters>();
        let before = ring * (lane.mask as usize + 1);
        Some(Self {
            counters: counters + of_ring,
            freed_at: counters + offset_of!(ProgramCounters, tails) + ring * size_of::<u64>(),
            array,
            first: (cpu * lane.stride as usize + lane.first as usize + before) * slot_bytes,
            slot_bytes,
            mask: lane.mask.into(),
            head: 0,
            tail: 0,
            freed: 0,
            lost: 0,
            refused: 0,
            spoilt: false,
            two_writers: false,
            reached: 0,
        })
    }

    /// Looks how far the program is; it is later than `now`.
    fn look(&mut self, memory: &Memory, now: u64) {
        // In this order: of what was begun by then, nothing is missing from what was ended since. And
        // what was refused after a record that is missing here must not stand in for it.
        let word = |offset: usize| memory.counters.word(self.counters + offset).load(Acquire);
        let begun = word(ATTEMPTS);
        let lost = word(REFUSED);
        self.head = word(HEAD);
        if self.head + lost >= begun {
            self.reached = now.saturating_sub(LEEWAY);
        }
        // Of what was refused before the last record of these, nothing is missing here.
        self.lost = word(REFUSED);
    }

    /// The time of the next record, if that is not later than `until`. What is of an earlier time than
    /// `after` has come too late.
    #[expect(clippy::inline_always, reason = "it is short, and called for every record")]
    #[inline(always)]
    fn next(&mut self, slots: &Mapped, after: u64, until: u64) -> Option<u64> {
        if self.tail == self.head {
            return None;
        }
        let slot = self.slot(self.tail);
        // Nobody writes what was published, before it is read.
        let time = slots.word(slot + TIME).load(Relaxed);
        if time > until {
            return None;
        }
        let attempt = slots.word(slot + ATTEMPT).load(Relaxed) as u32;
        // Numbers only ever grow, and all that are missing were refused: or else two programs have
        // written at the same time. One that goes back seems to miss four billion.
        let missing = attempt.wrapping_sub(self.tail as u32 + 1);
        let refused = self.refused + u64::from(missing.wrapping_sub(self.refused as u32));
        let wrong = refused > self.lost;
        if !wrong {
            self.refused = refused;
        }
        self.two_writers |= wrong;
        self.spoilt = wrong || time < after;
        Some(time)
    }

    /// The time of the last record that was found.
    fn last(&self, memory: &Memory) -> u64 {
        let slot = self.slot(self.head.wrapping_sub(1));
        memory.slots.get(self.array).map_or(0, |slots| slots.word(slot + TIME).load(Relaxed))
    }

    /// Offset of a slot within its array.
    #[inline]
    fn slot(&self, number: u64) -> usize {
        self.first + (number & self.mask) as usize * self.slot_bytes
    }
}

#[cfg(test)]
mod tests;
