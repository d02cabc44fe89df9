//! The governor: how much is told of, so that following it costs no more than it may.
//!
//! It saves in steps: first nobody looks up who asks for a request, then only one request in so many is
//! followed. It returns by itself when there is room.

use std::collections::VecDeque;

use crate::engine::Sample;

/// What the cost is aimed at, of the limit: below it, for load goes up and down.
const AIM: f64 = 0.85;

/// What a request that is left out costs, of one that is followed, until that has been seen.
const LEFT_OUT: f64 = 0.2;

/// What it is taken for at least and at most, since what is seen may come from another load.
const POSSIBLE: (f64, f64) = (0.02, 0.6);

/// How many times fewer requests are followed at once: more only after it has been seen what that saves.
const STEP: u32 = 8;

/// A step that saves no more than this part of the cost is not worth what is no longer told for it.
const WORTHWHILE: f64 = 0.05;

/// What it costs to follow requests with their owners, of without.
const OWNERS: f64 = 1.2;

/// How many looks are averaged, and how many are enough for that after something was changed: a single one
/// may be chance.
const LOOKS: usize = 5;
const ENOUGH: usize = 3;

/// How long there must have been room for more, in nanoseconds.
const RETURN_AFTER: u64 = 10_000_000_000;

/// The longest that this is after there turned out to be none.
const LONGEST_RETURN: u64 = 640_000_000_000;

/// How soon after a return the cost is above the limit if there was none, in nanoseconds.
const RELAPSE: u64 = 30_000_000_000;

/// How long the same sample is told of at most, in nanoseconds: a device that uses few requests may have
/// none of them in it, or all.
const RENEW_AFTER: u64 = 60_000_000_000;

/// How much is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// Whether it is looked up who asks for a request.
    pub(super) owners: bool,
    /// One request in so many.
    pub(super) one_in: u32,
}

impl Level {
    /// Everything.
    pub(super) const ALL: Self = Self { owners: true, one_in: 1 };
}

/// What was used, and by how much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    /// CPUs.
    pub(super) cpus: f64,
    /// Events in a second, also of requests that are left out.
    pub(super) events: f64,
}

impl Load {
    fn max(self, other: Self) -> Self {
        Self { cpus: self.cpus.max(other.cpus), events: self.events.max(other.events) }
    }
}

/// What is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Whether it is looked up who asks for a request.
    Owners(bool),
    /// One request in so many is followed.
    Sample(u32),
    /// As many are followed as before, and others.
    Renew,
}

/// What decides it. All times are nanoseconds of one clock, and all costs are CPUs.
#[derive(Debug)]
pub(super) struct Governor {
    limit: f64,
    level: Level,
    /// The last looks since something was changed.
    looks: VecDeque<Load>,
    /// What they are in the mean.
    mean: Load,
    /// Since when there has been room for more, and the most that there was since then.
    room: Option<(u64, Load)>,
    /// How long there must be.
    patience: u64,
    /// When it last returned.
    returned: Option<u64>,
    /// When the last sample was taken.
    sampled: u64,
    /// What a request that is left out costs, of one that is followed.
    left_out: f64,
    /// Seconds of a CPU that an event costs at most: all that was used for so many, when each was told of and
    /// that was too much.
    event: f64,
    /// The cost of an event and the sample before the last change, until it is seen what that has changed.
    before: Option<(f64, u32)>,
    /// The next cost is of the time before the last change too.
    mixed: bool,
    /// Whether the limit is exceeded although nothing more can be saved.
    exceeded: bool,
}

impl Governor {
    pub(super) fn new(limit: f64) -> Self {
        Self {
            limit,
            level: Level::ALL,
            looks: VecDeque::with_capacity(LOOKS),
            mean: Load::default(),
            room: None,
            patience: RETURN_AFTER,
            returned: None,
            sampled: 0,
            left_out: LEFT_OUT,
            event: f64::INFINITY,
            before: None,
            mixed: false,
            exceeded: false,
        }
    }

    /// How much is told of.
    pub(super) const fn level(&self) -> Level {
        self.level
    }

    /// CPUs that were used in the mean of the last looks.
    pub(super) const fn used(&self) -> f64 {
        self.mean.cpus
    }

    /// Whether the limit is exceeded although nothing more can be saved.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    /// What is to be changed, where this was the load since it was asked before.
    pub(super) fn look(&mut self, now: u64, load: Load) -> Option<Change> {
        if std::mem::take(&mut self.mixed) {
            return None;
        }
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(load);
        let mean =
            |of: fn(&Load) -> f64| self.looks.iter().map(of).sum::<f64>() / self.looks.len() as f64;
        self.mean = Load { cpus: mean(|load| load.cpus), events: mean(|load| load.events) };
        let change = self.decide(now)?;
        match change {
            Change::Owners(owners) => self.level.owners = owners,
            Change::Sample(one_in) => {
                if self.level.one_in == 1 {
                    self.sampled = now;
                }
                self.before = self.cost_of_event().map(|cost| (cost, self.level.one_in));
                self.level.one_in = one_in;
            }
            // It costs as much as before.
            Change::Renew => {
                self.sampled = now;
                return Some(change);
            }
        }
        self.looks.clear();
        self.room = None;
        self.mixed = true;
        Some(change)
    }

    fn decide(&mut self, now: u64) -> Option<Change> {
        let change = if self.looks.len() < ENOUGH {
            None
        } else {
            if let Some((cost, one_in)) = self.before.take() {
                self.learn(cost, one_in);
            }
            if self.mean.cpus > self.limit { self.save(now) } else { self.give_back(now) }
        };
        let old = self.level.one_in > 1 && now.saturating_sub(self.sampled) >= RENEW_AFTER;
        change.or_else(|| old.then_some(Change::Renew))
    }

    fn save(&mut self, now: u64) -> Option<Change> {
        self.room = None;
        if self.returned.take().is_some_and(|returned| now.saturating_sub(returned) < RELAPSE) {
            self.patience = (2 * self.patience).min(LONGEST_RETURN);
        }
        if self.level.owners {
            return Some(Change::Owners(false));
        }
        let one_in = self.level.one_in;
        if one_in == 1 {
            self.event = self.mean.cpus / self.mean.events.max(1.0);
        }
        let fewest = self.fewest();
        let fewer = self.suiting(self.mean.cpus).max(one_in + 1).min(one_in * STEP).min(fewest);
        self.exceeded = one_in >= fewest;
        (fewer > one_in).then_some(Change::Sample(fewer))
    }

    fn give_back(&mut self, now: u64) -> Option<Change> {
        self.exceeded = false;
        if self.returned.is_some_and(|returned| now.saturating_sub(returned) >= RELAPSE) {
            self.returned = None;
            self.patience = RETURN_AFTER;
        }
        let most = self.room.map_or(Load::default(), |(_, most)| most);
        let most = self.looks.iter().copied().fold(most, Load::max);
        let Some(change) = self.more(most) else {
            self.room = None;
            return None;
        };
        let since = self.room.map_or(now, |(since, _)| since);
        self.room = Some((since, most));
        if now.saturating_sub(since) < self.patience {
            return None;
        }
        self.returned = Some(now);
        Some(change)
    }

    /// What there is room for.
    fn more(&self, load: Load) -> Option<Change> {
        let (Level { owners, one_in }, Load { cpus, events }) = (self.level, load);
        // By what is used now, as if all of it were for requests, and by what those cost that would be
        // followed besides: either may be too careful.
        let part = 1.0 / f64::from(one_in) + (self.limit * AIM - cpus) / (events * self.event);
        let by_events = if part > 0.0 { (1.0 / part).ceil().max(1.0) as u32 } else { one_in };
        let more = self.suiting(cpus).min(by_events);
        if more < one_in {
            Some(Change::Sample(more))
        } else {
            let room = one_in == 1 && !owners && cpus * OWNERS <= self.limit * AIM;
            room.then_some(Change::Owners(true))
        }
    }

    /// How many requests one may stand for at least so that the cost is what it is aimed at, where it is
    /// this much now.
    fn suiting(&self, cpus: f64) -> u32 {
        let left_out = self.left_out;
        let now = left_out + (1.0 - left_out) / f64::from(self.level.one_in);
        let aim = self.limit * AIM * now / cpus.max(f64::MIN_POSITIVE);
        if aim <= left_out {
            return Sample::MOST;
        }
        let one_in = ((1.0 - left_out) / (aim - left_out)).ceil();
        (one_in as u32).clamp(1, Sample::MOST)
    }

    /// How many requests one stands for at most: to follow fewer would save nothing to speak of, for most of
    /// the cost is that of what is left out.
    fn fewest(&self) -> u32 {
        let left_out = self.left_out;
        let one_in = (1.0 - left_out) * (1.0 - WORTHWHILE) / (left_out * WORTHWHILE);
        (one_in.ceil() as u32).clamp(1, Sample::MOST)
    }

    /// What an event costs, told or left out; `None` where there was none.
    fn cost_of_event(&self) -> Option<f64> {
        let Load { cpus, events } = self.mean;
        (events > 0.0).then(|| cpus / events)
    }

    /// Finds what is left out to cost so much, of what is followed, that the change from the cost of an event
    /// `before`, with another sample, to that of one now is explained.
    fn learn(&mut self, before: f64, one_in: u32) {
        let Some(now) = self.cost_of_event() else { return };
        let [part_before, part] = [one_in, self.level.one_in].map(|one_in| 1.0 / f64::from(one_in));
        let left_out = (before * part - now * part_before)
            / (now * (1.0 - part_before) - before * (1.0 - part));
        if left_out.is_finite() {
            let (least, most) = POSSIBLE;
            self.left_out = f64::midpoint(self.left_out, left_out.clamp(least, most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Governor, Level, Load, RENEW_AFTER};

    const SECOND: u64 = 1_000_000_000;

    /// A machine on which following everything costs so much, and what is left out a part of it.
    struct Machine {
        governor: Governor,
        left_out: f64,
        /// What is used for something else.
        base: f64,
        now: u64,
        cost: f64,
        changes: Vec<Change>,
    }

    impl Machine {
        fn new(limit: f64) -> Self {
            Self {
                governor: Governor::new(limit),
                left_out: 0.25,
                base: 0.0,
                now: SECOND,
                cost: 0.0,
                changes: Vec::new(),
            }
        }

        /// Lets so many seconds pass; what it costs at the end.
        fn run(&mut self, seconds: u64, everything: f64) -> f64 {
            for _ in 0..seconds {
                let Level { owners, one_in } = self.governor.level();
                let told = everything * if owners { 1.0 } else { 0.95 };
                let part = self.left_out + (1.0 - self.left_out) / f64::from(one_in);
                self.cost = self.base + part * told;
                self.now += SECOND;
                let load = Load { cpus: self.cost, events: 1e6 * everything };
                self.changes.extend(self.governor.look(self.now, load));
            }
            self.cost
        }
    }

    #[test]
    fn below_the_limit_nothing_changes() {
        let mut machine = Machine::new(0.1);
        machine.run(1_000, 0.099);
        assert_eq!(machine.governor.level(), Level::ALL);
        assert_eq!(machine.changes, []);
    }

    #[test]
    fn it_saves_in_steps_and_then_holds_the_limit() {
        for left_out in [0.02, 0.15, 0.25, 0.4] {
            for part in [0.11, 0.3, 0.6, 0.9] {
                // The load of which this part of what can be saved has to be.
                let everything = 0.1 / (1.0 - part * (1.0 - left_out)) / 0.95;
                let mut machine = Machine { left_out, ..Machine::new(0.1) };
                let cost = machine.run(60, everything);
                let level = machine.governor.level();
                assert!((0.03..=0.1).contains(&cost), "{left_out} {part}: {cost} {level:?}");
                assert_eq!(machine.changes.first(), Some(&Change::Owners(false)));
            }
        }
    }

    #[test]
    fn it_does_not_swing() {
        for left_out in [0.02, 0.25, 0.4] {
            for tenths in 11..40 {
                let mut machine = Machine { left_out, ..Machine::new(0.1) };
                machine.run(60, f64::from(tenths) / 100.0);
                let mut above = 0;
                for _ in 0..3_600 {
                    above += u32::from(machine.run(1, f64::from(tenths) / 100.0) > 0.1);
                }
                let held = !machine.governor.is_exceeded();
                assert!(above < 60 || !held, "{left_out} {tenths}: {above} s above the limit");
            }
        }
    }

    #[test]
    fn a_moment_of_load_is_no_reason_to_save() {
        let mut machine = Machine::new(0.1);
        for _ in 0..20 {
            machine.run(1, 0.19);
            machine.run(5, 0.05);
        }
        assert_eq!(machine.changes, []);
    }

    #[test]
    fn bursts_are_limited_by_what_they_cost_in_the_mean() {
        let mut machine = Machine::new(0.1);
        let mut used = Vec::new();
        for _ in 0..600 {
            used.push(machine.run(1, 0.6));
            used.push(machine.run(1, 0.09));
        }
        let later = &used[200..];
        let mean = later.iter().sum::<f64>() / later.len() as f64;
        assert!(mean <= 0.1, "{mean}");
    }

    #[test]
    fn after_many_relapses_it_returns_all_the_same() {
        for (busy, idle) in [(15, 45), (10, 50), (20, 20), (40, 100), (60, 15)] {
            let mut machine = Machine::new(0.1);
            for _ in 0..60 {
                machine.run(busy, 0.3);
                machine.run(idle, 0.02);
            }
            machine.run(1_500, 0.02);
            assert_eq!(machine.governor.level(), Level::ALL, "{busy} {idle}");
        }
    }

    #[test]
    fn it_returns_by_itself() {
        for left_out in [0.02, 0.25, 0.4] {
            let mut machine = Machine { left_out, ..Machine::new(0.1) };
            machine.run(30, 1.0);
            assert!(machine.governor.level().one_in > 10);
            machine.run(100, 0.05);
            assert_eq!(machine.governor.level(), Level::ALL, "{:?}", machine.changes);
            let all = machine.changes.len();
            machine.run(1_000, 0.05);
            assert_eq!(machine.changes.len(), all);
        }
    }

    #[test]
    fn what_else_is_used_does_not_keep_it_from_returning() {
        let mut machine = Machine { base: 0.03, ..Machine::new(0.1) };
        machine.run(60, 1.0);
        assert!(machine.governor.level().one_in > 30);
        machine.run(18, 0.001);
        assert_eq!(machine.governor.level().one_in, 1, "{:?}", machine.changes);
        machine.run(18, 0.001);
        assert_eq!(machine.governor.level(), Level::ALL);
    }

    #[test]
    fn a_moment_without_load_is_no_reason_to_return() {
        let mut machine = Machine::new(0.1);
        machine.run(30, 1.0);
        let level = machine.governor.level();
        for _ in 0..5 {
            machine.run(8, 0.0);
            machine.run(2, 1.0);
        }
        assert_eq!(machine.governor.level(), level);
    }

    #[test]
    fn a_sample_grows_old() {
        // Also where the limit cannot be held.
        for everything in [0.2, 1.0] {
            let mut machine = Machine::new(0.1);
            machine.run(30, everything);
            let (level, changes) = (machine.governor.level(), machine.changes.len());
            assert!(level.one_in > 1);
            machine.run(2 * RENEW_AFTER / SECOND, everything);
            assert_eq!(machine.governor.level(), level);
            assert_eq!(machine.changes[changes..], [Change::Renew; 2]);
        }
    }

    #[test]
    fn what_changes_with_the_load_is_not_taken_for_what_is_left_out() {
        let mut machine = Machine { left_out: 0.02, ..Machine::new(0.1) };
        machine.run(8, 0.5);
        assert_eq!(machine.changes.len(), 2, "{:?}", machine.changes);
        // Five times as much just when the first sample was taken: it seems to have saved nothing.
        let cost = machine.run(60, 2.5);
        assert!(cost <= 0.1, "{cost}: {:?}", machine.changes);
    }

    #[test]
    fn what_cannot_be_held_is_told() {
        let mut machine = Machine::new(0.01);
        let cost = machine.run(60, 10.0);
        // Fewer would save no twentieth of what is left.
        assert!((40..80).contains(&machine.governor.level().one_in), "{:?}", machine.changes);
        assert!(machine.governor.is_exceeded() && cost > 0.01);
        machine.run(5, 0.0);
        assert!(!machine.governor.is_exceeded());
        machine.run(5, 10.0);
        assert!(machine.governor.is_exceeded());
        let changes = machine.changes.len();
        machine.run(10, 10.0);
        assert_eq!(machine.changes.len(), changes);
    }
}
