//! How long an engine takes for an event.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::{host::Host, load::Load};

/// A host whose every request was understood, or the figures would be of something else.
///
/// # Panics
///
/// If one was not.
#[must_use]
pub fn sound_host(load: &Load) -> Host {
    let host = Host::new(*load);
    let (open, wrong) = host.books();
    assert!(open.abs_diff(load.open) <= 1 && wrong == 0, "{open} open, {wrong} not judged");
    host
}

/// Nanoseconds for each event, over as many events as take so long.
#[must_use]
pub fn sample(host: &mut Host, time: Duration) -> f64 {
    let mut spent = Duration::ZERO;
    let mut events = 0;
    while spent < time {
        events += host.fill();
        let begin = on_cpu();
        host.measured();
        spent += on_cpu().saturating_sub(begin);
    }
    spent.as_nanos() as f64 / events as f64
}

/// The middle and the least of so many samples.
#[must_use]
pub fn middle_and_least(host: &mut Host, samples: usize, time: Duration) -> (f64, f64) {
    let mut samples: Vec<f64> = (0..samples).map(|_| sample(host, time)).collect();
    samples.sort_by(f64::total_cmp);
    let at = |place: usize| samples.get(place).copied().unwrap_or_default();
    (at(samples.len() / 2), at(0))
}

/// How long this thread has run: what others do on the same CPU meanwhile is not in it.
fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}
