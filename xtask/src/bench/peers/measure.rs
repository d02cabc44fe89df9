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
    fio::{Load, Pace, Running},
    http::get,
    place::{Place, time_programs},
    process::{self, Usage},
};

/// How often a daemon is scraped, where it is.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// What is looked at, and under which load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// As many reads as can be: throughput, and what the tracer itself uses for each.
    FullSpeed,
    /// Bursts with pauses, so that the machine has time to spare: what all of it needs for each read.
    Bursts,
    /// One read at a time: how long each of them takes.
    DepthOne,
    /// As many as can be, while the kernel times the tracer's BPF programs, which itself costs.
    Programs,
    /// As many as can be, all of which the tracer could see: what it missed, and its memory.
    Whole,
}

/// All of them.
pub(super) const MEASURES: [Measure; 5] =
    [Measure::FullSpeed, Measure::Bursts, Measure::DepthOne, Measure::Programs, Measure::Whole];

/// What one tracer did to one load.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    pub(super) reads: u64,
    pub(super) per_second: f64,
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
    /// Reads that it did not see; known of [`Measure::Whole`].
    pub(super) missed: Option<u64>,
    /// Events that it says that it lost; known of [`Measure::Whole`].
    pub(super) told_lost: Option<u64>,
}

impl Measured {
    /// From one read to the next, in nanoseconds.
    pub(super) fn interval(&self) -> f64 {
        1e9 / self.per_second
    }
}

impl Measure {
    /// What it is called in lines of progress.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::FullSpeed => "speed",
            Self::Bursts => "bursts",
            Self::DepthOne => "depth 1",
            Self::Programs => "programs",
            Self::Whole => "whole",
        }
    }

    const fn load(self) -> Load {
        let load = Load { depth: 32, jobs: 2, pace: Pace::Full };
        match self {
            Self::FullSpeed | Self::Programs | Self::Whole => load,
            Self::Bursts => Load { pace: Pace::Bursts, ..load },
            Self::DepthOne => Load { depth: 1, jobs: 1, ..load },
        }
    }
}

/// One measure, while one tracer after the other has its turn.
#[derive(Debug)]
pub(super) struct Turns<'a> {
    place: &'a Place,
    measure: Measure,
    load: Load,
    seconds: u32,
    /// The load that all of them see a part of, because two loads differ by more than two tracers do; `None`
    /// where each tracer has one of its own.
    running: Option<Running<'a>>,
}

impl<'a> Turns<'a> {
    /// Starts the load, except where each tracer shall see one from its beginning to its end.
    pub(super) fn begin(place: &'a Place, measure: Measure, seconds: u32) -> Result<Self> {
        let load = measure.load();
        let running =
            if measure == Measure::Whole { None } else { Some(Running::start(load, place)?) };
        Ok(Self { place, measure, load, seconds, running })
    }

    /// Lets a tracer see so many seconds of a load.
    pub(super) fn take(&mut self, peer: &Peer) -> Result<Measured> {
        time_programs(self.measure == Measure::Programs)?;
        let measured = match &mut self.running {
            Some(running) => part(self.place, peer, running, self.seconds),
            None => whole(self.place, peer, self.load, self.seconds),
        };
        time_programs(false)?;
        measured
    }
}

/// Lets a tracer see a part of a load.
fn part(place: &Place, peer: &Peer, load: &mut Running<'_>, seconds: u32) -> Result<Measured> {
    let mut tracer = Tracer::start(place, peer)?;
    let usage = tracer.usage()?;
    let (cpus, reads, begin) = (process::cpus()?, place.reads()?, Instant::now());
    scraped_meanwhile(peer, || {
        thread::sleep(Duration::from_secs(seconds.into()));
        Ok(())
    })?;
    let (reads, took) = (place.reads()?.saturating_sub(reads), begin.elapsed());
    let measured = Measured {
        reads,
        per_second: reads as f64 / took.as_secs_f64(),
        ..measured(&cpus, took, &usage, &tracer.usage()?, reads)?
    };
    load.check()?;
    tracer.check()?;
    tracer.end()?;
    Ok(measured)
}

/// Lets a tracer see a load from its beginning to its end.
fn whole(place: &Place, peer: &Peer, load: Load, seconds: u32) -> Result<Measured> {
    let mut tracer = Tracer::start(place, peer)?;
    let usage = tracer.usage()?;
    let (cpus, begin) = (process::cpus()?, Instant::now());
    let done = scraped_meanwhile(peer, || load.run(seconds, place.device(), place.folder()))?;
    let measured = measured(&cpus, begin.elapsed(), &usage, &tracer.usage()?, done.reads)?;
    tracer.check()?;
    let seen = tracer.stop()?;
    Ok(Measured {
        reads: done.reads,
        per_second: done.per_second,
        missed: seen.requests.map(|requests| done.reads.saturating_sub(requests)),
        told_lost: seen.told_lost,
        ..measured
    })
}

/// What so many reads took, given what there was before.
fn measured(
    cpus: &process::Cpus,
    took: Duration,
    before: &Usage,
    after: &Usage,
    reads: u64,
) -> Result<Measured> {
    let idle = process::cpus()?.idle.saturating_sub(cpus.idle);
    let all = took.as_nanos() as u64 * cpus.count;
    let of_each = |all: u64| all as f64 / reads.max(1) as f64;
    Ok(Measured {
        machine: of_each(all.saturating_sub(idle)),
        tracer: of_each(after.cpu.saturating_sub(before.cpu)),
        programs: of_each(after.program_time.saturating_sub(before.program_time)),
        runs: of_each(after.program_runs.saturating_sub(before.program_runs)),
        usage: *after,
        ..Measured::default()
    })
}

/// Does something while the peer, if it is to be, is scraped.
fn scraped_meanwhile<T>(peer: &Peer, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(address) = peer.address.as_deref().filter(|_| peer.scraped) else { return act() };
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
            "{:>7.0} reads/s, per read: machine {:>6.0} ns, tracer {:>5.0} ns, programs {:>5.0} ns",
            self.per_second, self.machine, self.tracer, self.programs
        )?;
        match self.missed {
            Some(missed) => write!(f, ", {missed} of {} missed", self.reads),
            None => Ok(()),
        }
    }
}
