//! One case: a world, what is asked of it, and when records are lost.

use proptest::prelude::*;

use super::{
    plan::{Ask, Fate, Finish, FlushPlan, Mood, Plan, plans},
    world::{CPUS, World, worlds},
};

/// Records are lost for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    pub(super) fate: Fate,
    /// The ring that refuses, or the CPU whose programs do not run.
    pub(super) place: usize,
    /// Nanoseconds since the first plan.
    pub(super) begin: u64,
    pub(super) length: u64,
}

/// A case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) world: World,
    pub(super) plans: Vec<Plan>,
    pub(super) storms: Vec<Storm>,
    /// When the first program is attached, in nanoseconds since the first plan; `None` if all are
    /// from the beginning.
    pub(super) attached: Option<u64>,
    /// What every address is used for before the plans and after them.
    pub(super) ordinary: Plan,
}

/// Most plans of a case.
const PLANS: usize = 400;

fn storms(lost: &'static [Fate]) -> BoxedStrategy<Vec<Storm>> {
    if lost.is_empty() {
        return Just(Vec::new()).boxed();
    }
    let storm = (prop::sample::select(lost), 0..CPUS, 0_u64..4_000_000, 1_u64..400_000)
        .prop_map(|(fate, place, begin, length)| Storm { fate, place, begin, length });
    prop::collection::vec(storm, 0..3).boxed()
}

/// Cases of a mood in which records are lost in these ways.
pub(super) fn cases(mood: Mood, lost: &'static [Fate]) -> impl Strategy<Value = Case> {
    let all = prop::collection::vec(plans(mood, lost), 1..PLANS);
    (worlds(), all, storms(lost)).prop_map(|(world, plans, storms)| Case {
        world,
        plans,
        storms,
        attached: None,
        ordinary: ordinary(),
    })
}

/// Cases in which the programs are attached while requests are on their way.
pub(super) fn late_cases(mood: Mood) -> impl Strategy<Value = Case> {
    (cases(mood, &[]), 0_u64..1_000_000)
        .prop_map(|(case, attached)| Case { attached: Some(attached), ..case })
}

fn ordinary() -> Plan {
    Plan {
        at: 0,
        place: (0, 0, 0),
        ask: Ask::Read,
        sector: 0,
        blocks: 8,
        queued: false,
        grows: None,
        attempts: Vec::new(),
        finish: Finish::Done,
        wrong: None,
        flush: FlushPlan::default(),
        dropped: Vec::new(),
        worker: false,
        ends_in_flight: false,
        waits: [500; 4],
        cpus: [0; 4],
        fates: Vec::new(),
    }
}
