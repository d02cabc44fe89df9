//! What following the requests costs.

use std::time::Duration;

use iotruth_common::{
    counters::TIMED,
    probe::{PROGRAMS, Program},
};
use rustix::time::{ClockId, clock_gettime};

use super::clock;
use crate::{
    kernel::{CounterReader, Counters},
    view::CostStatus,
};

/// How often it is looked what was used, in nanoseconds.
const LOOK_EVERY: u64 = 1_000_000_000;

/// Reads what was used, and says how fast.
#[derive(Debug)]
pub(super) struct Meter {
    counters: CounterReader,
    at: u64,
    daemon: Duration,
    programs: Duration,
}

impl Meter {
    /// The first reading is of the time from now on.
    pub(super) fn new(counters: CounterReader) -> Self {
        let (at, daemon) = (clock::monotonic(), used());
        Self { counters, at, daemon, programs: Duration::ZERO }
    }

    /// What was used since the last reading, and in all; `None` where that was a moment ago.
    pub(super) fn look(&mut self) -> Option<CostStatus> {
        let at = clock::monotonic();
        let elapsed = at.saturating_sub(self.at);
        if elapsed < LOOK_EVERY {
            return None;
        }
        let (daemon, run_times) = (used(), run_times(&self.counters.peek()));
        let programs = run_times.iter().sum();
        let share = |now: Duration, before: Duration| {
            now.saturating_sub(before).as_secs_f64() / Duration::from_nanos(elapsed).as_secs_f64()
        };
        let cost = CostStatus {
            daemon: share(daemon, self.daemon),
            programs: share(programs, self.programs),
            run_times,
        };
        (self.at, self.daemon, self.programs) = (at, daemon, programs);
        Some(cost)
    }
}

/// User and system time of the process.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
}

/// How long each program has run: one run in [`TIMED`] was timed.
fn run_times(counters: &Counters) -> [Duration; PROGRAMS] {
    std::array::from_fn(|index| {
        let timed = Program::from_index(index).map_or(0, |program| counters.run_time(program));
        Duration::from_nanos(timed * TIMED)
    })
}
