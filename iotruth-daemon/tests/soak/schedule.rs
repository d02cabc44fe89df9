//! Which phases there are.

use std::time::Duration;

use crate::{mix::Mix, options::Options, phase::Phase, random::Random};

/// One after the other, and how much of the time each gets: most requests are of the quick mix.
const ROUND: [(Mix, u32); 8] = [
    (Mix::Speed, 6),
    (Mix::Everything, 3),
    (Mix::Speed, 6),
    (Mix::Schedulers, 3),
    (Mix::Speed, 6),
    (Mix::Churn, 3),
    (Mix::Speed, 6),
    (Mix::Loss, 3),
];

/// How long a round is under load at most, so that a long soak has many daemons and mixes.
const LONGEST: Duration = Duration::from_mins(5);

/// Whole rounds that are under load for so long, all together.
pub(crate) fn draw(load: Duration, seed: u64) -> Vec<Phase> {
    let rounds = load.as_secs().div_ceil(LONGEST.as_secs()).max(1) as u32;
    let shares: u32 = ROUND.iter().map(|(_, share)| share).sum();
    let share = load / rounds / shares;
    let mut random = Random::new(seed);
    let mixes = (0..rounds).flat_map(|_| ROUND);
    mixes
        .enumerate()
        .map(|(number, (mix, shares))| Phase {
            number: number + 1,
            mix,
            load: share * shares,
            options: Options::draw(mix.room(&mut random), &mut random),
            random: random.fork(),
        })
        .collect()
}
