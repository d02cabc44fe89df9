//! The kernel side as the pipeline sees it: loaded, attached, and dealt out to the readers.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use iotruth_common::{
    counters::MAX_RINGS,
    layout::Layout,
    probe::{Probe, Program},
    reread::{REREAD_BATCH, REREAD_BYTES},
};
use tracing::warn;

use super::{
    auditor::Auditor,
    clock,
    memory::{Looked, Memory},
    plan::Plan,
    reader::{Counters, Source},
};
use crate::{
    config::Config,
    engine::{Audit, btf, flavor::Flavor},
    kernel::{self, CounterReader, KernelError, LoadOptions, Rereader, Ring, Tracer},
    view::ProgramStatus,
};

/// How often the messages of the programs are fetched: they are about what is rare.
const LOG_EVERY: Duration = Duration::from_millis(200);

/// What it means that the statistics could not be read in time.
const WITHOUT_BASELINE: &str = "the statistics of the kernel had not been read when the programs were \
                                attached, as where a disk hangs: coverage begins with the first audit";

/// How often counters that seem to tell of a loss are read again at most.
const READ_AGAIN: usize = 8;

/// The attached programs and what the rest of the pipeline has to know of them.
#[derive(Debug)]
pub(super) struct Tracing {
    tracer: Tracer,
    rings: Vec<Option<Ring>>,
    /// Numbers of this kernel.
    pub(super) flavor: Flavor,
    /// Where the fields of a request are.
    pub(super) layout: Layout,
    /// When the last program was attached: nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) attached: u64,
    /// Whether `block_io_start` is traced.
    pub(super) starts_traced: bool,
    /// Whether each tracepoint has a second program.
    pub(super) second_programs: bool,
    /// How long a tick of the kernel is, in nanoseconds, if that is known.
    pub(super) tick: Option<u64>,
    /// One for each probe.
    pub(super) programs: Vec<ProgramStatus>,
    /// What is off because this kernel lacks something.
    pub(super) notes: Vec<String>,
}

impl Tracing {
    /// Loads and attaches the programs. From here on records are written.
    ///
    /// The auditor is told, so that it knows from when on everything was seen.
    pub(super) fn begin(config: &Config, plan: &Plan, auditor: &Auditor) -> anyhow::Result<Self> {
        kernel::preflight()?;
        let types = kernel::read_btf()?;
        let facts = btf::resolve(&types)?;
        let options = LoadOptions {
            rings: plan.rings,
            ring_bytes: plan.ring_bytes,
            fill_mark: plan.fill_mark(),
            start_events: config.start_events,
            log: config.bpf_log,
        };
        let mut tracer = Tracer::load(&options, &facts, &types)?;
        drop(types);
        let rings = tracer.take_rings()?.into_iter().map(Some).collect();
        // What the kernel counts from here on may be seen.
        let baseline = auditor.read_baseline();
        let from = clock::monotonic();
        let attached = tracer.attach()?;
        auditor.attached(from);
        let start = Probe::Start as usize;
        let tick = clock::tick();
        let mut notes = facts.notes;
        notes.extend(beyond(facts.layout.request_bytes));
        notes.extend((!baseline).then(|| WITHOUT_BASELINE.to_owned()));
        if tick.is_none() {
            notes.push(
                "The length of a kernel tick is not known, so it is not known how long a driver is \
                 given for a request: hung_in_device and late are not shown."
                    .into(),
            );
        }
        Ok(Self {
            rings,
            flavor: facts.flavor,
            layout: facts.layout,
            attached: attached.at,
            starts_traced: attached
                .programs
                .get(start)
                .is_some_and(|program| program.missing.is_none()),
            second_programs: facts.preemptible_tracepoints,
            programs: attached.programs,
            tick,
            notes,
            tracer,
        })
    }

    /// Hands out rings, each once.
    pub(super) fn sources(&mut self, numbers: &[usize]) -> Vec<Ring> {
        numbers.iter().filter_map(|number| self.rings.get_mut(*number)?.take()).collect()
    }

    /// The counters, for one reader.
    pub(super) fn counters(&self) -> Result<CounterReader, KernelError> {
        self.tracer.counters()
    }

    /// What requests are read again with, for the reader with this number.
    pub(super) fn rereader(&self, number: usize) -> Result<Rereader, KernelError> {
        self.tracer.rereader(number)
    }

    /// Passes the messages of the programs on to the log, until the daemon ends.
    pub(super) fn log(&mut self) -> Result<(), KernelError> {
        let mut logger = self.tracer.logger()?;
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(LOG_EVERY);
            loop {
                tick.tick().await;
                logger.flush();
            }
        });
        Ok(())
    }

    /// Stops the programs; what is in the rings stays there.
    pub(super) fn detach(&mut self) {
        if let Err(error) = self.tracer.detach() {
            warn!("{error}");
        }
    }
}

/// What it means that the fields of interest of a request take up so many bytes.
fn beyond(request_bytes: u32) -> Option<String> {
    (request_bytes as usize > REREAD_BYTES).then(|| {
        format!(
            "a request of this kernel has fields of interest beyond its first {REREAD_BYTES} bytes: \
             what is open for long is not looked up in memory"
        )
    })
}

impl Source for Ring {
    fn ring(&self) -> usize {
        self.number()
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn drain(&mut self, limit: usize, take: impl FnMut(&[u8])) -> usize {
        Self::drain(self, limit, take)
    }
}

impl Memory for Rereader {
    fn read(
        &mut self,
        addresses: &[u64],
        mut take: impl FnMut(usize, Looked<'_>),
    ) -> anyhow::Result<()> {
        for (batch, addresses) in addresses.chunks(REREAD_BATCH).enumerate() {
            let read = Self::read(self, addresses)?;
            for (place, request) in read.requests.iter().enumerate().take(addresses.len()) {
                let bytes: &[u8] = bytemuck::cast_slice(&request.bytes);
                take(batch * REREAD_BATCH + place, Looked::new(request.result, bytes));
            }
        }
        Ok(())
    }
}

impl Counters for CounterReader {
    fn read(&mut self) -> anyhow::Result<Audit> {
        let mut audit = read_once(self)?;
        // What is skipped while the others are read seems to be told by nobody; to read again tells.
        for _ in 0..READ_AGAIN {
            if !self.second_programs() || untold(&audit) == 0 {
                break;
            }
            let again = read_once(self)?;
            if untold(&again) >= untold(&audit) {
                break;
            }
            audit = again;
        }
        Ok(audit)
    }
}

/// Skips that no second program has made up for.
fn untold(audit: &Audit) -> u64 {
    let all = audit.recursion.iter().zip(&audit.made_up);
    all.map(|(skipped, made_up)| skipped.saturating_sub(*made_up)).sum()
}

fn read_once(counters: &CounterReader) -> Result<Audit, KernelError> {
    let counters = counters.read()?;
    let mut audit = Audit::default();
    for probe in Probe::ALL {
        let place = probe as usize;
        let (first, second) = (Program::first(probe), Program::second(probe));
        let both = |of: fn(&kernel::Counters, Program, usize) -> u64| -> [u64; MAX_RINGS] {
            std::array::from_fn(|ring| of(&counters, first, ring) + of(&counters, second, ring))
        };
        if let Some(attempts) = audit.attempts.get_mut(place) {
            *attempts = both(kernel::Counters::attempts);
        }
        if let Some(lost) = audit.lost.get_mut(place) {
            *lost = both(kernel::Counters::lost);
        }
        if let Some(made_up) = audit.made_up.get_mut(place) {
            *made_up = counters.made_up(probe);
        }
        let skips = |program: Program| counters.recursion.get(program.index()).copied();
        if let Some(recursion) = audit.recursion.get_mut(place) {
            *recursion = skips(first).unwrap_or_default();
        }
        if let Some(recursion) = audit.second_recursion.get_mut(place) {
            *recursion = skips(second).unwrap_or_default();
        }
    }
    Ok(audit)
}
