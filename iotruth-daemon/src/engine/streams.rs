//! Attempt numbers: whether each record that a program wrote reached us.
//!
//! A stream is what one (CPU, program, ring) writes; its numbers grow by one with each attempt. A
//! number that is missing was refused by the ring, which the record's own count of refusals must
//! confirm; if it does not, the record was lost on our side.

use iotruth_common::{
    counters::MAX_RINGS,
    probe::{PROGRAMS, Program},
    record::RequestRecord,
};

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

/// The last record of every stream.
#[derive(Debug, Default)]
pub(super) struct Streams {
    marks: Vec<Mark>,
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
        let stream = (usize::from(head.cpu) * PROGRAMS + program.index()) * MAX_RINGS + ring;
        if stream >= self.marks.len() {
            self.marks.resize(stream + 1, Mark::default());
        }
        let Some(mark) = self.marks.get_mut(stream) else { return Arrival::Late };
        let step = head.attempt.wrapping_sub(mark.attempt);
        let refused = head.ring_lost.wrapping_sub(mark.ring_lost);
        if step == 0 || step > u32::MAX / 2 {
            return Arrival::Late;
        }
        *mark = Mark { attempt: head.attempt, ring_lost: head.ring_lost };
        let missing = step - 1;
        if missing == 0 {
            Arrival::InOrder
        } else if missing <= refused {
            Arrival::AfterRefusals
        } else {
            Arrival::AfterUnknownLoss(missing - refused)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use iotruth_common::{
        probe::{Probe, Program},
        record::RequestRecord,
    };

    use super::{Arrival, Streams};

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
    }
}
