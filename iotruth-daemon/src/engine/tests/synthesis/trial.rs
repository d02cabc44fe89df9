//! Many cases of a property, and a failure that a person can read.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use super::{case::Case, machine::Machine};

/// The variable that repeats a case: its seed, as a failure prints it.
const SEED: &str = "IOTRUTH_SEED";

/// Lives that each property is proved on at least.
pub(super) const LIVES: u64 = if cfg!(debug_assertions) { 5_000 } else { 200_000 };

/// What must hold of a case that was played; says what does not.
pub(super) type Property = fn(&Machine<'_>) -> Result<(), String>;

/// Plays cases until there were enough lives, and shrinks the first one that fails.
pub(super) fn prove(cases: impl Strategy<Value = Case>, property: Property) {
    let told = std::env::var(SEED).ok().and_then(|seed| seed.parse::<u64>().ok());
    let seed = told.unwrap_or_else(|| RandomState::new().hash_one(0));
    let lives = Cell::new(0);
    for number in 0.. {
        let seed = seed.wrapping_add(number);
        let mut runner = runner(seed);
        let tree = match cases.new_tree(&mut runner) {
            Ok(tree) => tree,
            Err(why) => panic!("{why}"),
        };
        let outcome = runner.run_one(tree, |case| {
            let machine = Machine::play(&case, false);
            lives.set(lives.get() + machine.ended.len() as u64);
            judge(&machine, property).map_err(TestCaseError::fail)
        });
        match outcome {
            Ok(_) => {}
            Err(TestError::Fail(_, case)) => panic!("{}", report(seed, &case, property)),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
        if lives.get() >= LIVES {
            break;
        }
    }
    println!("{} lives", lives.get());
}

/// Says what does not hold. That the engine makes the same of it without its shortcut must always hold.
fn judge(machine: &Machine<'_>, property: Property) -> Result<(), String> {
    machine.difference.clone().map_or_else(|| property(machine), Err)
}

fn runner(seed: u64) -> TestRunner {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// A case that fails, event by event.
fn report(seed: u64, case: &Case, property: Property) -> String {
    let machine = Machine::play(case, true);
    let why = judge(&machine, property).err().unwrap_or_default();
    let story = machine.kernel.story.as_deref().unwrap_or_default().join("\n");
    format!(
        "{why}\n{:?}\n{} requests:\n{story}\nthe same again: {SEED}={seed}",
        case.world,
        case.plans.len()
    )
}
