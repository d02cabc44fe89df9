//! Attempt numbers: whether each record that a program wrote reached us.
//!
//! A stream is what one (CPU, program, ring) writes; its numbers grow by one with each attempt. A
//! number that is missing was refused by the ring, which the record's own count of refusals must
//! confirm; if it does not, the record was lost on our side.

use iotruth_common::{
    counters::MAX_RINGS,
    probe::{PROBES, PROGRAMS, Program},
    record::RequestRecord,
};

/// How far a number may be behind the last one of its stream: so many records interrupts do not write while
/// they keep a program from its own. What seems to be further behind is so far ahead instead: whoever stops
/// the daemon for a night misses billions.
const MOST_LATE: u32 = 1 << 20;

/// Streams of one CPU and ring, with room for a power of two: that takes no multiplication.
const ROW: usize = PROGRAMS.next_power_of_two();

/// What one stream had counted when the counters were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct StreamCount {
    /// The CPU.
    pub cpu: u16,
    /// The program, as in its records.
    pub program: u8,
    /// The ring.
    pub ring: u8,
    /// Lower half of the number of records that were tried.
    pub attempts: u32,
    /// Lower half of the number of those that the ring refused.
    pub lost: u32,
}

/// What is known of a stream beside its last record.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// As last read from the counters.
    attempts: u32,
    lost: u32,
    /// Numbers before the last record that are missing because the ring refused them.
    refused: u32,
}

/// The last record of one stream.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    attempt: u32,
    ring_lost: u32,
}

/// What the number of a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next one.
    InOrder,
    /// Some before it were refused by the ring, and the ring says so too.
    AfterRefusals,
    /// This many before it are missing, and the ring did not refuse them.
    AfterUnknownLoss(u32),
    /// An older number than the last one of its stream.
    Late,
}

/// What records tell of the attempts that came after the counters were last read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Newer {
    pub(super) attempts: u64,
    /// Those of them that the ring refused.
    pub(super) refused: u64,
}

/// The last record of every stream.
#[derive(Debug, Default)]
pub(super) struct Streams {
    marks: Vec<Mark>,
    /// Of the same streams; apart, since a record has no need of them.
    counts: Vec<Count>,
}

impl Streams {
    /// Takes note of a record that came out of `ring`.
    #[inline]
    pub(super) fn arrive(
        &mut self,
        ring: usize,
        program: Program,
        head: &RequestRecord,
    ) -> Arrival {
        let stream = place(head.cpu, program, ring);
        if stream >= self.marks.len() {
            self.grow(stream + 1);
        }
        let Some(mark) = self.marks.get_mut(stream) else { return Arrival::Late };
        let step = head.attempt.wrapping_sub(mark.attempt);
        let refused = head.ring_lost.wrapping_sub(mark.ring_lost);
        if step == 0 || step > u32::MAX - MOST_LATE {
            return Arrival::Late;
        }
        *mark = Mark { attempt: head.attempt, ring_lost: head.ring_lost };
        let missing = step - 1;
        if missing == 0 {
            return Arrival::InOrder;
        }
        let refused = refused.min(missing);
        if let Some(count) = self.count(stream) {
            count.refused = count.refused.wrapping_add(refused);
        }
        if missing == refused {
            Arrival::AfterRefusals
        } else {
            Arrival::AfterUnknownLoss(missing - refused)
        }
    }

    #[cold]
    fn grow(&mut self, streams: usize) {
        self.marks.resize(streams, Mark::default());
    }

    /// Takes note of what the counters say of a stream.
    pub(super) fn counted(&mut self, read: &StreamCount) {
        let Some(program) = Program::from_wire(read.program) else { return };
        let ring = usize::from(read.ring);
        if ring < MAX_RINGS
            && let Some(count) = self.count(place(read.cpu, program, ring))
        {
            (count.attempts, count.lost) = (read.attempts, read.lost);
        }
    }

    /// How many records of a ring were in it when the counters were last read, and have neither come
    /// since nor been found to be missing.
    ///
    /// Each stream by itself: what others wrote later must not stand in for one that is missing.
    pub(super) fn behind(&self, ring: usize) -> u64 {
        let streams = self.counts.iter().enumerate().skip(ring).step_by(MAX_RINGS);
        let behind = streams.map(|(stream, count)| {
            let last = self.marks.get(stream).map_or(0, |mark| mark.attempt);
            let tail = since(last, count.attempts);
            let refused = count.lost.wrapping_sub(count.refused);
            u64::from(if refused > u32::MAX / 2 { tail } else { tail.saturating_sub(refused) })
        });
        behind.sum()
    }

    /// What was tried with a ring after the counters were last read, by probe, as far as it has come.
    ///
    /// The number of a record is what its program had counted by then, so together with this the
    /// counters are of the same moment as what was received.
    pub(super) fn newer(&self, ring: usize) -> [Newer; PROBES] {
        let mut newer = [Newer::default(); PROBES];
        for (stream, mark) in self.marks.iter().enumerate().skip(ring).step_by(MAX_RINGS) {
            let count = self.counts.get(stream).copied().unwrap_or_default();
            let attempts = since(count.attempts, mark.attempt);
            let program = Program::from_index(stream / MAX_RINGS % ROW);
            if attempts > 0
                && let Some(newer) = program.and_then(|one| newer.get_mut(one.probe as usize))
            {
                newer.attempts += u64::from(attempts);
                newer.refused += u64::from(since(count.lost, count.refused).min(attempts));
            }
        }
        newer
    }

    fn count(&mut self, stream: usize) -> Option<&mut Count> {
        if stream >= self.counts.len() {
            self.counts.resize(stream + 1, Count::default());
        }
        self.counts.get_mut(stream)
    }
}

/// How far a counter, of which both are the lower half, went on from one to the other; 0 where it went
/// back.
pub(super) const fn since(from: u32, to: u32) -> u32 {
    let step = to.wrapping_sub(from);
    if step > u32::MAX / 2 { 0 } else { step }
}

/// Where a stream is in the tables.
#[inline]
fn place(cpu: u16, program: Program, ring: usize) -> usize {
    (usize::from(cpu) * ROW + program.index()) * MAX_RINGS + ring
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use iotruth_common::{
        probe::{Probe, Program},
        record::RequestRecord,
    };

    use super::{Arrival, Newer, StreamCount, Streams};

    fn head(cpu: u16, attempt: u32, ring_lost: u32) -> RequestRecord {
        RequestRecord { cpu, attempt, ring_lost, ..RequestRecord::zeroed() }
    }

    #[test]
    fn a_missing_number_is_a_refusal_only_if_the_ring_says_so() {
        let mut streams = Streams::default();
        let issue = Program::first(Probe::Issue);
        let mut arrive = |cpu, attempt, lost| streams.arrive(1, issue, &head(cpu, attempt, lost));
        assert_eq!(arrive(0, 1, 0), Arrival::InOrder);
        assert_eq!(arrive(3, 1, 0), Arrival::InOrder);
        assert_eq!(arrive(0, 4, 2), Arrival::AfterRefusals);
        assert_eq!(arrive(0, 5, 2), Arrival::InOrder);
        assert_eq!(arrive(0, 7, 2), Arrival::AfterUnknownLoss(1));
        assert_eq!(arrive(0, 6, 2), Arrival::Late);
        assert_eq!(arrive(3, 2, 2), Arrival::InOrder);
        assert_eq!(arrive(5, 3, 2), Arrival::AfterRefusals);
    }

    #[test]
    fn a_stream_is_behind_until_its_own_last_record_has_come() {
        let mut streams = Streams::default();
        let issue = Program::first(Probe::Issue);
        let counted = |cpu, attempts, lost| StreamCount {
            cpu,
            program: issue.to_wire(),
            ring: 1,
            attempts,
            lost,
        };
        streams.counted(&counted(0, 3, 0));
        streams.counted(&counted(1, 2, 2));
        assert_eq!((streams.behind(1), streams.behind(0)), (3, 0));
        for attempt in 1..10 {
            streams.arrive(1, issue, &head(2, attempt, 2));
        }
        assert_eq!(streams.behind(1), 3, "records of another CPU");
        streams.arrive(1, issue, &head(0, 1, 2));
        assert_eq!(streams.behind(1), 2);
        // One of the two before it is missing, and that is known now.
        streams.arrive(1, issue, &head(0, 3, 2));
        assert_eq!(streams.behind(1), 0);
        // Two were refused before the last one that came, and one after it.
        streams.arrive(1, issue, &head(0, 6, 4));
        streams.counted(&counted(0, 7, 3));
        assert_eq!(streams.behind(1), 0);
        streams.counted(&counted(0, 8, 3));
        assert_eq!(streams.behind(1), 1);
    }

    #[test]
    fn what_came_after_the_counters_were_read_is_known_from_its_numbers() {
        let mut streams = Streams::default();
        let (issue, second) = (Program::first(Probe::Issue), Program::second(Probe::Issue));
        let of = |streams: &Streams| {
            let newer = streams.newer(1)[Probe::Issue as usize];
            (newer.attempts, newer.refused)
        };
        for attempt in 1..=3 {
            streams.arrive(1, issue, &head(0, attempt, 0));
        }
        assert_eq!(of(&streams), (3, 0), "of a stream that was never counted");
        let counted = |program: Program, attempts, lost| StreamCount {
            cpu: 0,
            program: program.to_wire(),
            ring: 1,
            attempts,
            lost,
        };
        // The fourth and the fifth were refused, and only the one is counted.
        streams.counted(&counted(issue, 4, 1));
        assert_eq!(of(&streams), (0, 0), "the counters are ahead");
        streams.arrive(1, issue, &head(0, 6, 2));
        assert_eq!(of(&streams), (2, 1));
        streams.arrive(1, second, &head(0, 1, 2));
        streams.arrive(1, issue, &head(3, 1, 2));
        assert_eq!(of(&streams), (4, 1), "of both programs, on every CPU");
        let newer = streams.newer(1);
        let mut others = Probe::ALL.into_iter().filter(|probe| *probe != Probe::Issue);
        assert!(others.all(|probe| newer[probe as usize] == Newer::default()), "another probe");
        assert!(streams.newer(0).iter().all(|newer| *newer == Newer::default()), "another ring");
        streams.counted(&counted(issue, 6, 2));
        assert_eq!(of(&streams), (2, 0));
    }

    #[test]
    fn the_two_programs_of_a_tracepoint_number_for_themselves() {
        let mut streams = Streams::default();
        for program in [Program::first, Program::second].map(|of| of(Probe::Issue)) {
            for attempt in 1..4 {
                assert_eq!(streams.arrive(1, program, &head(0, attempt, 0)), Arrival::InOrder);
            }
        }
    }

    #[test]
    fn numbers_wrap() {
        let mut streams = Streams::default();
        let merge = Program::first(Probe::Merge);
        let mut arrive = |attempt| streams.arrive(0, merge, &head(0, attempt, 0));
        for attempt in [1 << 30, 1 << 31, 3 << 30, u32::MAX] {
            arrive(attempt);
        }
        assert_eq!(arrive(0), Arrival::InOrder);
        assert_eq!(arrive(1), Arrival::InOrder);
        assert_eq!(arrive(u32::MAX), Arrival::Late);
        assert_eq!(arrive(2), Arrival::InOrder);
    }

    #[test]
    fn who_was_stopped_for_long_has_missed_much_and_goes_on() {
        let mut streams = Streams::default();
        let merge = Program::first(Probe::Merge);
        let mut arrive = |attempt, lost| streams.arrive(0, merge, &head(0, attempt, lost));
        assert_eq!(arrive(1, 0), Arrival::InOrder);
        assert_eq!(arrive(3_000_000_001, 2_999_999_999), Arrival::AfterRefusals);
        assert_eq!(arrive(3_000_000_002, 2_999_999_999), Arrival::InOrder);
        assert_eq!(arrive(3_000_000_000, 2_999_999_999), Arrival::Late);
    }
}
