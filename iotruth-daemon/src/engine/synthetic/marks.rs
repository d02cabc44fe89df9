//! Which program of a tracepoint tells an event, where it has two and the kernel skips some.

use iotruth_common::probe::{Probe, Program, Role};

use super::{Kernel, Request};

/// What happens to the programs of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) enum Skip {
    #[default]
    Nothing,
    /// The first program is skipped.
    First,
    /// All programs are.
    All,
}

/// What the two programs of each tracepoint share, as `mark.rs` of the eBPF programs has it.
#[derive(Debug)]
pub(super) struct Marks(Vec<Option<(u64, Probe, bool)>>);

impl Marks {
    pub(super) fn new(places: usize) -> Self {
        Self(vec![None; places])
    }

    /// Whether this program tells an event of a request.
    pub(super) fn leave(&mut self, program: Program, rq: &Request) -> bool {
        let places = [rq.address >> 8, rq.address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40];
        let [first, second] = places.map(|hash| hash as usize % self.0.len());
        let mark = (rq.address, program.probe, rq.len > 0);
        let ours = |told: (u64, _, _)| told.0 == rq.address;
        let unused = self.0[first].is_none();
        let place = if self.0[first].is_none_or(ours) { first } else { second };
        let told = self.0[place];
        let unknown = !unused && !told.is_some_and(ours);
        if program.role == Role::Second && (told == Some(mark) || unknown) {
            return false;
        }
        self.0[place] = Some(mark);
        true
    }
}

impl Kernel {
    /// Which program tells an event, if any does. Skips are counted.
    pub(super) fn teller(&mut self, skip: Skip, probe: Probe, rq: &Request) -> Option<Program> {
        let (first, second) = (Program::first(probe), Program::second(probe));
        if skip == Skip::Nothing {
            if let Some(marks) = &mut self.marks {
                marks.leave(first, rq);
                assert!(!marks.leave(second, rq), "what the first one told is told twice");
            }
            return Some(first);
        }
        self.recursion[probe as usize] += 1;
        if let Some(marks) = &mut self.marks {
            if skip == Skip::All {
                self.second_recursion[probe as usize] += 1;
            } else if marks.leave(second, rq) {
                return Some(second);
            }
        }
        self.untold += 1;
        None
    }
}
