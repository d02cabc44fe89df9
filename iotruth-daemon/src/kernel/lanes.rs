//! How the memory for rings is dealt out, where each CPU and program has rings of its own.

use iotruth_common::{
    counters::ProgramCounters,
    per_cpu::Lane,
    probe::{PROGRAMS, Probe, Program, Role},
    record::{CompleteRecord, RequestRecord, SubmitRecord},
};

/// Arrays that the rings are in: one for each length of records.
pub(super) const ARRAYS: usize = 3;

/// The most slots of a ring; beyond, more memory is of no use.
const MOST: u32 = 1 << 24;

/// The rings of each CPU and program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Where the rings of each program are, by [`Program::index`].
    pub(super) of: [Lane; PROGRAMS],
    /// CPUs that have such rings: those with lower numbers.
    pub(super) cpus: u32,
    /// CPUs that programs may ever run on.
    possible: u32,
    /// How many rings each program has on a CPU: a power of two, and no reader is without one.
    rings: u32,
    /// Slots of each of the rings that are used most.
    slots: u32,
    /// Slots of one CPU, by array.
    strides: [u32; ARRAYS],
}

impl Lanes {
    /// The longest rings that fit into so many bytes, so many for each CPU and program; `None` where none
    /// do.
    ///
    /// Of the `possible` CPUs the first `cpus` have rings. What others have to tell is refused as if their
    /// rings were full. `starts` says that every request has a record of its start, `second` that there
    /// are second programs.
    #[must_use]
    pub fn fit(
        budget: u64,
        cpus: u32,
        possible: u32,
        rings: u32,
        starts: bool,
        second: bool,
    ) -> Option<Self> {
        let mut slots = MOST;
        while slots >= LEAST {
            let lanes = Self::new(slots, cpus, possible, rings, starts, second);
            if lanes.bytes() <= budget && lanes.are_told_apart() {
                return Some(lanes);
            }
            slots /= 2;
        }
        None
    }

    fn new(slots: u32, cpus: u32, possible: u32, rings: u32, starts: bool, second: bool) -> Self {
        let mut strides = [0; ARRAYS];
        let mut of = [Lane::default(); PROGRAMS];
        for (index, lane) in of.iter_mut().enumerate() {
            let Some(program) = Program::from_index(index) else { continue };
            if program.role == Role::Second && !second {
                continue;
            }
            let slots = slots / share(program, starts);
            if let Some(stride) = strides.get_mut(array(program.probe)) {
                *lane = Lane { stride: 0, first: *stride, mask: slots - 1 };
                *stride = stride.saturating_add(slots.saturating_mul(rings));
            }
        }
        for (index, lane) in of.iter_mut().enumerate() {
            let array = Program::from_index(index).map_or(0, |program| array(program.probe));
            lane.stride = strides.get(array).copied().unwrap_or_default();
        }
        Self { of, cpus, possible: possible.max(cpus), rings, slots, strides }
    }

    /// Whether the number of a slot of the last possible CPU is a number that programs can look up: one that
    /// wraps around would be another CPU's.
    fn are_told_apart(&self) -> bool {
        self.strides.iter().all(|stride| self.possible.checked_mul(*stride).is_some())
    }

    /// CPUs that have such rings: those with lower numbers.
    #[must_use]
    pub const fn cpus(&self) -> u32 {
        self.cpus
    }

    /// CPUs that may come and have none.
    #[must_use]
    pub const fn without_rings(&self) -> u32 {
        self.possible - self.cpus
    }

    /// How many rings each CPU and program has.
    #[must_use]
    pub const fn rings(&self) -> usize {
        self.rings as usize
    }

    /// Slots of each of the rings that are used most, such as those of issues and completions.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.slots
    }

    /// Slots of an array.
    #[cfg(any(feature = "kernel", test))]
    pub(super) fn entries(&self, array: usize) -> u32 {
        self.cpus * self.strides.get(array).copied().unwrap_or_default()
    }

    /// Bytes of all of it, with what is counted of these rings.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |(stride, bytes): (&u32, usize)| u64::from(*stride) * bytes as u64;
        let slots: u64 = self.strides.iter().zip(LENGTHS).map(of).sum();
        u64::from(self.cpus) * (slots + (PROGRAMS * size_of::<ProgramCounters>()) as u64)
    }
}

/// The least slots of the rings that are used most.
const LEAST: u32 = 64;

/// Bytes of a slot, by array.
pub(super) const LENGTHS: [usize; ARRAYS] =
    [size_of::<SubmitRecord>(), size_of::<CompleteRecord>(), size_of::<RequestRecord>()];

/// The array that records of a probe are in.
pub(super) const fn array(probe: Probe) -> usize {
    match probe {
        Probe::Start | Probe::Insert | Probe::Issue => 0,
        Probe::Complete => 1,
        Probe::Merge | Probe::Requeue | Probe::Remap => 2,
    }
}

/// The part of the slots that a program gets: one in so many.
const fn share(program: Program, starts: bool) -> u32 {
    let first = match program.probe {
        // A request that gets nowhere is sent back as often as it is issued.
        Probe::Insert | Probe::Issue | Probe::Complete | Probe::Requeue => 1,
        Probe::Start if starts => 1,
        // Of discards the start is told, and of all that passes through to a device.
        Probe::Start => 4,
        // A request of multipath is issued twice, above and below, and passed on once.
        Probe::Remap => 8,
        // Of whole requests; bios mostly are merged before they become one.
        Probe::Merge => 16,
    };
    match program.role {
        Role::Only | Role::First => first,
        // What was skipped, for as long as a task is preempted in the first program.
        Role::Second if first == 1 => 8,
        Role::Second => 32,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test says what it expects")]

    use iotruth_common::probe::{PROGRAMS, Probe, Program};

    use super::{LENGTHS, Lanes, array};

    #[test]
    fn the_budget_holds_all_rings_and_would_not_hold_twice_as_many() {
        let budget = 32 << 20;
        for (cpus, rings) in [(1, 1), (2, 1), (2, 2), (64, 1), (64, 4), (256, 1)] {
            for (starts, second) in [(false, false), (true, false), (false, true), (true, true)] {
                let lanes = Lanes::fit(budget, cpus, cpus, rings, starts, second).unwrap();
                assert!(lanes.bytes() <= budget, "{lanes:?}");
                let twice = Lanes::new(2 * lanes.slots(), cpus, cpus, rings, starts, second);
                assert!(twice.bytes() > budget, "{lanes:?}");
            }
        }
        assert_eq!(Lanes::fit(budget, 2, 2, 1, false, false).unwrap().slots(), 32_768);
        // As many CPUs as one reader serves have what they need (`pipeline::plan`), also with second programs.
        assert_eq!(Lanes::fit(budget, 16, 16, 1, false, false).unwrap().slots(), 4096);
        assert_eq!(Lanes::fit(budget, 16, 16, 1, false, true).unwrap().slots(), 4096);
        assert_eq!(Lanes::fit(budget, 2, 2, 4, false, false).unwrap().slots(), 8_192);
        assert_eq!(Lanes::fit(64 << 10, 64, 64, 1, false, false), None);
    }

    #[test]
    fn cpus_that_may_come_take_no_room() {
        let few = Lanes::fit(32 << 20, 4, 128, 1, false, false).unwrap();
        assert_eq!((few.cpus(), few.without_rings(), few.slots()), (4, 124, 16_384));
        let alone = Lanes::fit(32 << 20, 4, 4, 1, false, false).unwrap();
        assert_eq!(few.bytes(), alone.bytes());
        assert!((0..3).all(|array| few.entries(array) == alone.entries(array)));
    }

    #[test]
    fn no_slot_of_a_cpu_without_rings_is_another_ones() {
        let lanes = Lanes::fit(1 << 30, 1, 8192, 1, false, false).unwrap();
        let alone = Lanes::fit(1 << 30, 1, 1, 1, false, false).unwrap();
        assert!(lanes.slots() < alone.slots(), "{lanes:?}");
        for lane in lanes.of {
            let last = u64::from(lane.stride) * 8191 + u64::from(lane.first + lane.mask);
            assert!(u32::try_from(last).is_ok(), "{lane:?}");
        }
    }

    #[test]
    fn no_two_rings_overlap() {
        let lanes = Lanes::fit(8 << 20, 3, 5, 4, false, true).unwrap();
        for (which, _) in LENGTHS.iter().enumerate() {
            let mut taken = vec![false; lanes.entries(which) as usize];
            for cpu in 0..lanes.cpus {
                let here =
                    |index: &usize| array(Program::from_index(*index).unwrap().probe) == which;
                for lane in (0..PROGRAMS).filter(here).map(|index| lanes.of[index]) {
                    for slot in 0..4 * (lane.mask + 1) {
                        let place = (cpu * lane.stride + lane.first + slot) as usize;
                        assert!(!std::mem::replace(&mut taken[place], true), "{place}");
                    }
                }
            }
            assert!(taken.into_iter().all(|taken| taken));
        }
    }

    #[test]
    fn what_is_rare_gets_less() {
        let lanes = Lanes::fit(32 << 20, 2, 2, 1, false, true).unwrap();
        let slots = |program: Program| lanes.of[program.index()].mask + 1;
        assert_eq!(slots(Program::first(Probe::Issue)), lanes.slots());
        assert_eq!(slots(Program::first(Probe::Start)), lanes.slots() / 4);
        assert_eq!(slots(Program::first(Probe::Merge)), lanes.slots() / 16);
        assert_eq!(lanes.slots(), 32_768);
        assert_eq!(slots(Program::second(Probe::Issue)), lanes.slots() / 8);
        let all_starts = Lanes::fit(32 << 20, 2, 2, 1, true, true).unwrap();
        assert_eq!(
            all_starts.of[Program::first(Probe::Start).index()].mask + 1,
            all_starts.slots()
        );
    }
}
