//! What is measured.

use std::{
    fmt,
    panic::resume_unwind,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{peer::Peer, tracer::Tracer};
use crate::bench::{
    fio::Load,
    http::get,
    place::{Place, time_programs},
    process::{self, Usage},
};

/// How often a daemon is scraped, where it is.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// A load, and what is looked at under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// As many reads as can be: throughput, and what the tracer itself uses and misses.
    FullSpeed,
    /// So many reads a second: what the whole machine needs for each.
    FixedRate,
    /// One read at a time: what each of them waits.
    DepthOne,
    /// As many as can be, while the kernel times the tracer's BPF programs, which itself costs.
    Programs,
}

/// All of them.
pub(super) const MEASURES: [Measure; 4] =
    [Measure::FullSpeed, Measure::FixedRate, Measure::DepthOne, Measure::Programs];

/// What one tracer did to one load.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    pub(super) reads: u64,
    pub(super) per_second: f64,
    /// Mean latency, in nanoseconds.
    pub(super) latency: f64,
    /// What all CPUs of the machine did for each read, in nanoseconds.
    pub(super) machine: f64,
    /// What the tracer's processes did for each read, in nanoseconds.
    pub(super) tracer: f64,
    /// What its programs did in the kernel for each read, in nanoseconds; 0 unless they were timed.
    pub(super) programs: f64,
    /// How many of its programs ran for each read; 0 unless they were timed.
    pub(super) runs: f64,
    /// What its processes had in memory at the end.
    pub(super) usage: Usage,
    /// Reads that it did not see.
    pub(super) missed: Option<u64>,
    /// Events that it says that it lost.
    pub(super) told_lost: Option<u64>,
}

impl Measure {
    /// What it is called in lines of progress.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::FullSpeed => "speed",
            Self::FixedRate => "rate",
            Self::DepthOne => "depth 1",
            Self::Programs => "programs",
        }
    }

    const fn load(self, seconds: u32, rate: u32) -> Load {
        let load = Load { seconds, depth: 32, jobs: 2, rate: None };
        match self {
            Self::FullSpeed | Self::Programs => load,
            Self::FixedRate => Load { rate: Some(rate), ..load },
            Self::DepthOne => Load { depth: 1, jobs: 1, ..load },
        }
    }

    /// Lets a tracer see a load.
    pub(super) fn run(
        self,
        place: &Place,
        peer: &Peer,
        seconds: u32,
        rate: u32,
    ) -> Result<Measured> {
        time_programs(self == Self::Programs)?;
        let measured = watch(place, peer, self.load(seconds, rate));
        time_programs(false)?;
        measured
    }
}

/// Lets a tracer see a load, whatever is looked at.
fn watch(place: &Place, peer: &Peer, load: Load) -> Result<Measured> {
    let mut tracer = Tracer::start(place, peer)?;
    let before = tracer.usage()?;
    let (cpus, begin) = (process::cpus()?, Instant::now());
    let scraped = peer.address.as_deref().filter(|_| peer.scraped);
    let done = scraped_meanwhile(scraped, || load.run(place.device(), place.folder()))?;
    let idle = process::cpus()?.idle.saturating_sub(cpus.idle);
    let all = begin.elapsed().as_nanos() as u64 * cpus.count;
    tracer.check()?;
    let after = tracer.usage()?;
    let seen = tracer.stop()?;
    let of_each = |all: u64| all as f64 / done.reads.max(1) as f64;
    Ok(Measured {
        reads: done.reads,
        per_second: done.per_second,
        latency: done.latency,
        machine: of_each(all.saturating_sub(idle)),
        tracer: of_each(after.cpu.saturating_sub(before.cpu)),
        programs: of_each(after.program_time.saturating_sub(before.program_time)),
        runs: of_each(after.program_runs.saturating_sub(before.program_runs)),
        usage: after,
        missed: seen.requests.map(|requests| done.reads.saturating_sub(requests)),
        told_lost: seen.told_lost,
    })
}

/// Does something while the daemon at this address, if there is one, is scraped.
fn scraped_meanwhile<T>(address: Option<&str>, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(address) = address else { return act() };
    thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let scraper = scope.spawn(move || -> Result<()> {
            while stopped.recv_timeout(SCRAPE_EVERY) == Err(RecvTimeoutError::Timeout) {
                get(address, "/metrics")?;
            }
            Ok(())
        });
        let done = act();
        drop(stop);
        scraper.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        done
    })
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>7.0} reads/s, {:>8.0} ns latency, per read: machine {:>6.0} ns, tracer {:>5.0} ns, \
             programs {:>5.0} ns",
            self.per_second, self.latency, self.machine, self.tracer, self.programs
        )?;
        match self.missed {
            Some(missed) => write!(f, ", {missed} of {} missed", self.reads),
            None => Ok(()),
        }
    }
}
