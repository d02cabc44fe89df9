//! The kernel side as the pipeline sees it: loaded, attached, and dealt out to the readers.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use iotruth_common::{counters::MAX_RINGS, layout::Layout, probe::Probe, reread::REREAD_BATCH};
use tracing::warn;

use super::{
    clock, diskstats,
    plan::Plan,
    reader::{Counters, Memory, Source},
};
use crate::{
    config::Config,
    engine::{Audit, btf, flavor::Flavor, ledger::Reading},
    kernel::{self, CounterReader, KernelError, LoadOptions, Rereader, Ring, Tracer},
    view::ProgramStatus,
};

/// How often the messages of the programs are fetched: they are about what is rare.
const LOG_EVERY: Duration = Duration::from_millis(200);

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
    /// How long a tick of the kernel is, in nanoseconds, if that is known.
    pub(super) tick: Option<u64>,
    /// One for each probe.
    pub(super) programs: Vec<ProgramStatus>,
    /// What is off because this kernel lacks something.
    pub(super) notes: Vec<String>,
    /// The kernel's own figures from just before the programs were attached.
    pub(super) statistics: Reading,
}

impl Tracing {
    /// Loads and attaches the programs. From here on records are written.
    pub(super) fn begin(config: &Config, plan: &Plan) -> anyhow::Result<Self> {
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
        let statistics = diskstats::read(config)?;
        let attached = tracer.attach()?;
        let start = Probe::Start as usize;
        let tick = clock::tick();
        let mut notes = facts.notes;
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
            programs: attached.programs,
            tick,
            notes,
            statistics,
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
        mut take: impl FnMut(usize, Option<&[u8]>),
    ) -> anyhow::Result<()> {
        for (batch, addresses) in addresses.chunks(REREAD_BATCH).enumerate() {
            let read = Self::read(self, addresses)?;
            for (place, request) in read.requests.iter().enumerate().take(addresses.len()) {
                let bytes: &[u8] = bytemuck::cast_slice(&request.bytes);
                take(batch * REREAD_BATCH + place, (request.result == 0).then_some(bytes));
            }
        }
        Ok(())
    }
}

impl Counters for CounterReader {
    fn read(&mut self) -> anyhow::Result<Audit> {
        let counters = Self::read(self)?;
        let mut audit = Audit { recursion: counters.recursion, ..Audit::default() };
        for (probe, (attempts, lost)) in
            Probe::ALL.into_iter().zip(audit.attempts.iter_mut().zip(&mut audit.lost))
        {
            for ring in 0..MAX_RINGS {
                if let (Some(attempts), Some(lost)) = (attempts.get_mut(ring), lost.get_mut(ring)) {
                    *attempts = counters.attempts(probe, ring);
                    *lost = counters.lost(probe, ring);
                }
            }
        }
        Ok(audit)
    }
}
