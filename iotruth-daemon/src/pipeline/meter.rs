//! What following the requests costs.

use std::{fs, time::Duration};

use iotruth_common::{
    counters::TIMED,
    probe::{PROBES, PROGRAMS, Program},
};
use rustix::time::{ClockId, clock_gettime};

use super::{clock, governor::Load};
use crate::kernel::{CounterReader, Counters};

/// What has been used up to a moment, and how fast.
#[derive(Clone, Debug, Default)]
pub(super) struct Cost {
    /// CPUs that the daemon has used since the time before.
    pub(super) daemon: f64,
    /// Those of them that the main thread has used, which puts answers together and gives them.
    pub(super) answers: f64,
    /// CPUs that the programs have used since then.
    pub(super) programs: f64,
    /// Events since then, told or left out, in a second.
    pub(super) events: f64,
    /// How long each program has run, by [`Program::index`].
    pub(super) run_times: [Duration; PROGRAMS],
    /// Events that were not told, because their requests are not in the sample, by probe.
    pub(super) left_out: [u64; PROBES],
}

impl Cost {
    /// What both have used to follow requests, and how many events.
    ///
    /// Whoever asks for answers in a loop would otherwise have requests left out, which saves nothing of those.
    pub(super) fn load(&self) -> Load {
        let daemon = (self.daemon - self.answers).max(0.0);
        Load { cpus: daemon + self.programs, events: self.events }
    }
}

/// Reads the counters and says what has changed.
#[derive(Debug)]
pub(super) struct Meter {
    counters: CounterReader,
    at: u64,
    daemon: Duration,
    answers: Duration,
    programs: Duration,
    events: u64,
}

impl Meter {
    /// The first reading is of the time from now on.
    pub(super) fn new(counters: CounterReader) -> Self {
        let (at, daemon, answers) = (clock::monotonic(), used(), main_thread().unwrap_or_default());
        Self { counters, at, daemon, answers, programs: Duration::ZERO, events: 0 }
    }

    /// What was used since the last reading, and in all.
    pub(super) fn read(&mut self) -> Cost {
        let counted = self.counters.peek();
        let (at, daemon) = (clock::monotonic(), used());
        let answers = main_thread().unwrap_or(self.answers);
        let run_times = run_times(&counted);
        let programs = run_times.iter().sum();
        let elapsed = Duration::from_nanos(at.saturating_sub(self.at)).as_secs_f64().max(1e-3);
        let share =
            |now: Duration, before: Duration| now.saturating_sub(before).as_secs_f64() / elapsed;
        let left_out = left_out(&counted);
        let events = counted.total_attempts() + left_out.iter().sum::<u64>();
        let cost = Cost {
            daemon: share(daemon, self.daemon),
            answers: share(answers, self.answers),
            programs: share(programs, self.programs),
            events: events.saturating_sub(self.events) as f64 / elapsed,
            run_times,
            left_out,
        };
        (self.at, self.daemon, self.answers) = (at, daemon, answers);
        (self.programs, self.events) = (programs, events);
        cost
    }
}

/// User and system time of the process.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
}

/// The same of the main thread; `None` where the kernel does not say.
fn main_thread() -> Option<Duration> {
    let path = format!("/proc/self/task/{}/schedstat", std::process::id());
    let text = fs::read_to_string(path).ok()?;
    let time = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(time))
}

/// How long each program has run: one run in [`TIMED`] was timed.
fn run_times(counters: &Counters) -> [Duration; PROGRAMS] {
    std::array::from_fn(|index| {
        let timed = Program::from_index(index).map_or(0, |program| counters.run_time(program));
        Duration::from_nanos(timed * TIMED)
    })
}

fn left_out(counters: &Counters) -> [u64; PROBES] {
    let mut left_out = [0; PROBES];
    for program in (0..PROGRAMS).filter_map(Program::from_index) {
        if let Some(sum) = left_out.get_mut(program.probe as usize) {
            *sum += counters.left_out(program);
        }
    }
    left_out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::{main_thread, used};

    #[test]
    fn the_main_thread_has_used_some_of_what_the_process_has() {
        let (main, all) = (main_thread().unwrap(), used());
        assert!(main > Duration::ZERO && main <= all, "{main:?} of {all:?}");
    }
}
