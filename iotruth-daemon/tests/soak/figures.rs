//! What a phase comes to.

use std::{fmt, ops::AddAssign};

use crate::harness::metrics::Scrape;

/// The figures of one daemon, or of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Those that were judged.
    pub(crate) judged: u64,
    /// Events that arrived.
    pub(crate) events: u64,
    /// Records that found no room in their ring.
    pub(crate) refused: u64,
    /// Runs of programs that the kernel skipped, and counted.
    pub(crate) skipped: u64,
    /// Requests that the kernel counted and the daemon did not.
    pub(crate) missing: u64,
    /// Requests of which a record was missing that nobody had counted.
    pub(crate) inferred: u64,
    /// Ends that ftrace saw where eBPF programs do not run.
    pub(crate) witnessed: u64,
    /// Ends that it saw on threads of which nobody knows any more whether programs run there.
    pub(crate) doubtful: u64,
    /// The most anonymous memory that a daemon had at its end, in bytes.
    pub(crate) memory: u64,
}

impl Figures {
    /// All but what others know.
    pub(crate) fn read(scrape: &Scrape) -> Self {
        let ended = |end| scrape.existing("iotruth_lives_ended_total", &[("end", end)]);
        let lost = |reason| scrape.existing("iotruth_events_lost_total", &[("reason", reason)]);
        Self {
            requests: ended("judged") + ended("unjudged"),
            judged: ended("judged"),
            events: scrape.existing("iotruth_events_total", &[]),
            refused: lost("ring_full"),
            skipped: lost("recursion"),
            missing: 0,
            inferred: scrape.existing("iotruth_lives_inferred_total", &[]),
            witnessed: 0,
            doubtful: 0,
            memory: scrape.existing("iotruth_resident_anonymous_bytes", &[]),
        }
    }

    /// Records that are known to be lost.
    pub(crate) fn lost(&self) -> u64 {
        self.refused + self.skipped
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        let Self {
            requests,
            judged,
            events,
            refused,
            skipped,
            missing,
            inferred,
            witnessed,
            doubtful,
            memory,
        } = other;
        self.requests += requests;
        self.judged += judged;
        self.events += events;
        self.refused += refused;
        self.skipped += skipped;
        self.missing += missing;
        self.inferred += inferred;
        self.witnessed += witnessed;
        self.doubtful += doubtful;
        self.memory = self.memory.max(memory);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests, {} judged, {} events; {} refused, {} skipped; {} inferred, {} witnessed, {} doubtful; \
             residue {}; nothing shown; {} MiB",
            self.requests,
            self.judged,
            self.events,
            self.refused,
            self.skipped,
            self.inferred,
            self.witnessed,
            self.doubtful,
            -(self.missing as i64),
            self.memory >> 20
        )
    }
}
