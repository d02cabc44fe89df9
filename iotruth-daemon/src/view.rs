//! What the daemon shows: the figures of the engine and the state of the daemon itself.
//!
//! The pipeline swaps a new view in on every tick; the exporters are pure functions of it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use iotruth_common::probe::{PROBES, PROGRAMS, Probe};

use crate::engine::{device::DeviceId, ledger::DeviceAudit, snapshot::Snapshot};

/// All that can be shown at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// What the engine knows, all readers together.
    pub snapshot: Arc<Snapshot>,
    /// How the daemon itself is doing.
    pub status: Arc<Status>,
    /// What the last audit found, by device.
    pub ledger: Arc<BTreeMap<DeviceId, DeviceAudit>>,
    /// From the kernel's clock to the one on the wall.
    pub anchor: Anchor,
}

/// One moment on both clocks; taken anew at each audit, because the wall clock is adjusted.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic: u64,
    /// The same moment on the wall.
    pub wall: SystemTime,
}

impl Anchor {
    /// The wall time of a moment in nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn wall_time(&self, monotonic: u64) -> SystemTime {
        if monotonic >= self.monotonic {
            self.wall + Duration::from_nanos(monotonic - self.monotonic)
        } else {
            self.wall - Duration::from_nanos(self.monotonic - monotonic)
        }
    }

    /// The moment of a wall time in nanoseconds of `CLOCK_MONOTONIC`; 0 where that is before its
    /// beginning.
    #[must_use]
    pub fn monotonic_time(&self, wall: SystemTime) -> u64 {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match wall.duration_since(self.wall) {
            Ok(after) => self.monotonic.saturating_add(nanoseconds(after)),
            Err(before) => self.monotonic.saturating_sub(nanoseconds(before.duration())),
        }
    }
}

/// How the daemon itself is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// `uname -r`
    pub kernel: String,
    /// When the last program was attached.
    pub attached: SystemTime,
    /// How long that took.
    pub start_up: StartUp,
    /// One for each probe.
    pub programs: Vec<ProgramStatus>,
    /// How records travel: `per-cpu` or `ring-buffers`.
    pub transport: &'static str,
    /// Why they do not travel in the cheaper way, where nobody has asked for that.
    pub transport_reason: Option<String>,
    /// Bytes of each ring; those of all CPUs and programs with the same number are one.
    pub ring_bytes: u32,
    /// One for each reader thread.
    pub readers: Vec<ReaderStatus>,
    /// The audits against `/proc/diskstats`.
    pub audits: AuditStatus,
    /// Why `/readyz` fails; `None` while the programs are attached and all threads have begun and live.
    pub not_ready: Option<String>,
    /// What is switched off or unusual here, each in one sentence.
    pub notes: Vec<String>,
    /// Those of the notes that say which requests `/mismatches` and `/inflight` cannot tell of.
    pub limits: Vec<String>,
    /// Counters of the process.
    pub process: ProcessStatus,
    /// What following the requests costs.
    pub cost: CostStatus,
}

impl Status {
    /// How full the fullest ring of all readers was found, as a part of it.
    #[must_use]
    pub fn ring_fill(&self) -> f64 {
        self.readers.iter().map(|reader| reader.fill).fold(0.0, f64::max)
    }
}

/// How long the start took, until the last program was attached.
#[derive(Clone, Debug, Default)]
pub struct StartUp {
    /// All of it, from the configuration on; the parts below and what lies between them.
    pub total: Duration,
    /// Reading what the structures of this kernel look like.
    pub types: Duration,
    /// Making ready the object and its maps.
    pub object: Duration,
    /// Having the kernel verify the programs.
    pub verifier: Duration,
    /// Attaching them.
    pub attach: Duration,
    /// What the verifier took for each program, several at a time.
    pub programs: Vec<(&'static str, Duration)>,
}

/// The eBPF programs of one tracepoint.
#[derive(Clone, Debug)]
pub struct ProgramStatus {
    /// The tracepoint.
    pub probe: Probe,
    /// The function that is traced for want of the tracepoint.
    pub function: Option<&'static str>,
    /// Why nothing is attached to it; `None` where something is.
    pub missing: Option<String>,
    /// Whether a second program is attached to it.
    pub second: bool,
}

impl ProgramStatus {
    /// What its first program is called: as what it is attached to.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.function.unwrap_or(self.probe.tracepoint())
    }
}

/// One reader thread.
#[derive(Clone, Copy, Debug)]
pub struct ReaderStatus {
    /// How many rings it drains.
    pub rings: usize,
    /// Age of the oldest record that its newest snapshot was the first to show.
    pub lag: Duration,
    /// How full its fullest ring was found since the snapshot before, as a part of it.
    pub fill: f64,
}

/// The audits against `/proc/diskstats`.
#[derive(Clone, Copy, Debug)]
pub struct AuditStatus {
    /// How many were whole.
    pub whole: u64,
    /// Of these, since every request is followed.
    pub unbroken: u64,
    /// Whether events may have been lost since the last one.
    pub lost_since: bool,
    /// How many were given up, because one side could not be had.
    pub given_up: u64,
    /// Time since the last whole one; before the first one, since audits began. `None` while there are
    /// none, because not every request is followed.
    pub age: Option<Duration>,
}

impl Default for AuditStatus {
    /// They begin now.
    fn default() -> Self {
        Self { whole: 0, unbroken: 0, lost_since: false, given_up: 0, age: Some(Duration::ZERO) }
    }
}

/// Counters of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessStatus {
    /// User and system time.
    pub cpu: Duration,
    /// `RssAnon`, in bytes.
    pub resident_anonymous: u64,
    /// All resident memory, mapped rings included, in bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// When the process started, in seconds since 1970.
    pub start: f64,
}

/// What following the requests costs, and what is left out to save.
#[derive(Clone, Debug)]
pub struct CostStatus {
    /// CPUs that the daemon used in the last second or so.
    pub daemon: f64,
    /// Those of them that the main thread used, which puts answers together and gives them; not limited.
    pub answers: f64,
    /// CPUs that the programs used, as far as one run in 1,024 tells.
    pub programs: f64,
    /// CPUs that both may use to follow requests; `None` where that is not limited.
    pub limit: Option<f64>,
    /// How long each program has run, by [`Program::index`]; as far as one run in 1,024 tells.
    pub run_times: [Duration; PROGRAMS],
    /// Events that were not told, because their requests are not in the sample, by [`Probe`].
    pub left_out: [u64; PROBES],
    /// Whether it is looked up who asks for a request.
    pub owners: bool,
    /// One request in so many is told of.
    pub one_in: u32,
    /// Whether the limit is exceeded, and nothing more can be saved.
    pub exceeded: bool,
}

impl CostStatus {
    /// As long as nothing is known of it.
    #[must_use]
    pub const fn new(limit: Option<f64>) -> Self {
        Self {
            daemon: 0.0,
            answers: 0.0,
            programs: 0.0,
            limit,
            run_times: [Duration::ZERO; PROGRAMS],
            left_out: [0; PROBES],
            owners: true,
            one_in: 1,
            exceeded: false,
        }
    }

    /// What is left out, in sentences.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.owners {
            notes.push(
                "To save CPU time, it is not looked up who asks for a request (max_cpu_percent)."
                    .to_owned(),
            );
        }
        if self.one_in > 1 {
            notes.push(format!(
                "To save CPU time, one request in {} is followed, chosen by its address (max_cpu_percent): \
                 counters and histograms of requests are scaled, and estimates; mismatches are only those \
                 of the requests that are followed; coverage is not known. A device that uses few requests \
                 may have all or none of them in the sample, which is another one each minute.",
                self.one_in
            ));
        }
        if self.exceeded {
            notes.push(
                "More CPU time is used than max_cpu_percent, and nothing is left that could be saved."
                    .to_owned(),
            );
        }
        notes
    }
}
