//! The clocks: the kernel's, which stamps the records, and the one on the wall.

use std::{ops::RangeInclusive, time::SystemTime};

use rustix::time::{ClockId, clock_getres, clock_gettime};

use crate::view::Anchor;

/// Ticks that there are: kernels are built for 100 to 1,024 of them in a second.
const TICKS: RangeInclusive<u64> = 900_000..=10_100_000;

/// Now, in nanoseconds of `CLOCK_MONOTONIC`: the clock of `bpf_ktime_get_ns`.
pub(super) fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither part is ever negative on this clock.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// How long a tick of the kernel (a jiffy) is, in nanoseconds; `None` where that cannot be told.
///
/// The coarse clocks advance by ticks, and their resolution is one (`KTIME_LOW_RES`), whatever `HZ`
/// the kernel was built with.
pub(super) fn tick() -> Option<u64> {
    let resolution = clock_getres(ClockId::MonotonicCoarse);
    let tick = resolution.tv_sec.unsigned_abs() * 1_000_000_000 + resolution.tv_nsec.unsigned_abs();
    TICKS.contains(&tick).then_some(tick)
}

/// How often both clocks are read for one [`anchor`]: whoever is kept off the CPU between them once is
/// not so each time.
const READINGS: usize = 3;

/// This moment on both clocks.
pub(super) fn anchor() -> Anchor {
    let mut best = both();
    for _ in 1..READINGS {
        let next = both();
        if next.0 < best.0 {
            best = next;
        }
    }
    best.1
}

/// This moment on both clocks, after how long it took to read them.
fn both() -> (u64, Anchor) {
    let before = monotonic();
    let wall = SystemTime::now();
    let took = monotonic() - before;
    // The wall was read between the two, most probably in the middle.
    (took, Anchor { monotonic: before + took / 2, wall })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tick_is_a_fraction_of_a_second() {
        let tick = super::tick();
        let frequency = tick.map(|tick| (1_000_000_000 + tick / 2) / tick);
        assert!(
            matches!(frequency, Some(100 | 250 | 300 | 1000)),
            "a tick of {tick:?} ns: does this kernel have an unusual HZ?"
        );
    }
}
