//! The clocks: the kernel's, which stamps the records, and the one on the wall.

use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};

use crate::view::Anchor;

/// Now, in nanoseconds of `CLOCK_MONOTONIC`: the clock of `bpf_ktime_get_ns`.
pub(super) fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither part is ever negative on this clock.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// This moment on both clocks.
pub(super) fn anchor() -> Anchor {
    let before = monotonic();
    let wall = SystemTime::now();
    let after = monotonic();
    // The wall was read between the two, most probably in the middle.
    Anchor { monotonic: before + (after - before) / 2, wall }
}
