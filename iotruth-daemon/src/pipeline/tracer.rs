//! The kernel side as the pipeline sees it: loaded, attached, and dealt out to the readers.

use std::{
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use iotruth_common::{
    counters::MAX_RINGS,
    layout::Layout,
    probe::{PROGRAMS, Probe, Program},
    reread::{REREAD_BATCH, REREAD_BYTES},
};
use tracing::warn;

use super::{
    auditor::Auditor,
    clock,
    memory::{Looked, Memory},
    plan::Plan,
    reader::{BeginAnew, Counters, Source},
};
use crate::{
    config::Config,
    engine::{
        Audit, Starts, StreamCount,
        btf::{self, KernelFacts},
        flavor::Flavor,
    },
    kernel::{self, CounterReader, KernelError, LoadOptions, Rereader, Ring, Sampler, Tracer},
    view::{ProgramStatus, StartUp},
};

/// How often the messages of the programs are fetched: they are about what is rare.
const LOG_EVERY: Duration = Duration::from_millis(200);

/// What it means that the statistics could not be read in time.
const WITHOUT_BASELINE: &str = "the statistics of the kernel had not been read when the programs were \
                                attached, as where a disk hangs: coverage begins with the first audit";

/// What it means that the starts of flushes are not traced.
const UNKNOWN_FLUSHES: &str =
    "of a flush without data only the end is seen, and not how long it takes";

/// How often counters that seem to tell of a loss are read again at most.
const READ_AGAIN: usize = 8;

/// What is known of this kernel before anything is loaded.
#[derive(Debug)]
pub(super) struct Types {
    /// All its types.
    btf: Vec<u8>,
    /// What of them counts.
    pub(super) facts: KernelFacts,
    /// How long it took to find out.
    took: Duration,
}

impl Types {
    /// Finds out; before, it is looked whether programs may be loaded at all.
    pub(super) fn read() -> anyhow::Result<Self> {
        kernel::preflight()?;
        let begin = Instant::now();
        let btf = kernel::read_btf()?;
        let facts = btf::resolve(&btf)?;
        Ok(Self { btf, facts, took: begin.elapsed() })
    }
}

/// The attached programs and what the rest of the pipeline has to know of them.
#[derive(Debug)]
pub(super) struct Tracing {
    tracer: Tracer,
    /// CPUs with lower numbers have rings.
    cpus: u32,
    /// Whether there shall be second programs as soon as requests are passed on to other disks.
    awaits_multipath: bool,
    rings: Vec<Option<Ring>>,
    /// Numbers of this kernel.
    pub(super) flavor: Flavor,
    /// Where the fields of a request are.
    pub(super) layout: Layout,
    /// When the last program was attached: nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) attached: u64,
    /// How long it took until then.
    pub(super) start_up: StartUp,
    /// For which requests their start is traced.
    pub(super) starts: Starts,
    /// Whether each tracepoint has a second program.
    pub(super) second_programs: bool,
    /// How long a tick of the kernel is, in nanoseconds, if that is known.
    pub(super) tick: Option<u64>,
    /// One for each probe.
    pub(super) programs: Vec<ProgramStatus>,
    /// What is off because this kernel lacks something.
    pub(super) notes: Vec<String>,
}

/// For which requests their start is traced, and what is to be said of that.
fn starts(config: &Config, start: &ProgramStatus) -> (Starts, Option<String>) {
    if start.missing.is_none() && start.function.is_none() {
        let starts = if config.start_events { Starts::All } else { Starts::Flagged };
        return (starts, None);
    }
    let (starts, of_flushes) = match (&start.missing, start.function) {
        (None, Some(function)) => (
            Starts::Flushes,
            format!("the starts of flushes are traced in its function {function}"),
        ),
        (Some(why), Some(_)) => (Starts::None, format!("{why}, so {UNKNOWN_FLUSHES}")),
        (_, None) => (Starts::None, UNKNOWN_FLUSHES.to_owned()),
    };
    let note = format!(
        "This kernel has no tracepoint block_io_start (it came with Linux 6.5): {of_flushes}. Other \
         requests are timed from their insert, and where only a kernel worker was seen the owner is \
         unknown."
    );
    (starts, Some(note))
}

impl Tracing {
    /// Loads and attaches the programs. From here on records are written.
    ///
    /// The auditor is told, so that it knows from when on everything was seen. `begin` is when the
    /// daemon was started, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) fn begin(
        config: &Config,
        plan: &Plan,
        types: Types,
        auditor: &Auditor,
        begin: u64,
    ) -> anyhow::Result<Self> {
        let Types { btf: types, facts, took: read } = types;
        let options = LoadOptions {
            transport: plan.transport,
            start_events: config.start_events,
            second_programs: plan.second_programs,
            log: config.bpf_log,
        };
        let mut tracer = Tracer::load(&options, &facts, &types)?;
        drop(types);
        let rings = tracer.take_rings()?.into_iter().map(Some).collect();
        // What the kernel counts from here on may be seen.
        let baseline = auditor.read_baseline();
        let from = clock::monotonic();
        let attached = tracer.attach()?;
        let times = tracer.load_times();
        let start_up = StartUp {
            total: Duration::from_nanos(attached.at.saturating_sub(begin)),
            types: read,
            object: times.object,
            verifier: times.verifier,
            attach: Duration::from_nanos(attached.at.saturating_sub(from)),
            programs: times.programs.clone(),
        };
        auditor.attached(from);
        let start = attached.programs.iter().find(|program| program.probe == Probe::Start);
        let (starts, note) = start.map_or((Starts::None, None), |start| starts(config, start));
        let tick = clock::tick();
        let mut notes = facts.notes;
        notes.extend(note);
        notes.extend(plan.note());
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
            cpus: plan.transport.cpus(),
            awaits_multipath: plan.awaits_multipath,
            flavor: facts.flavor,
            layout: facts.layout,
            attached: attached.at,
            start_up,
            starts,
            second_programs: attached.programs.iter().any(|program| program.second),
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

    /// The counters as they are.
    pub(super) fn counter_reader(&self) -> Result<CounterReader, KernelError> {
        self.tracer.counters()
    }

    /// What tells the programs how much to tell, where that is to be limited. Where it cannot be, a note
    /// says so.
    pub(super) fn sampler(&mut self, limit: Option<f64>) -> Option<(f64, Sampler)> {
        let limit = limit?;
        match self.tracer.sampler() {
            Ok(sampler) => Some((limit, sampler)),
            Err(error) => {
                let error = anyhow::Error::from(error);
                self.notes.push(format!(
                    "max_cpu_percent is not kept, and every request is followed: {error:#}"
                ));
                None
            }
        }
    }

    /// The counters, for the reader of these rings.
    pub(super) fn counters(&self, rings: &[usize]) -> Result<Counting, KernelError> {
        Ok(Counting {
            counters: self.tracer.counters()?,
            rings: rings.to_vec(),
            cpus: self.cpus,
            awaits_multipath: self.awaits_multipath,
            told: Vec::new(),
        })
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

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        Self::wake(self)
    }

    fn reached(&self) -> u64 {
        Self::reached(self)
    }

    fn take_fill(&mut self) -> f64 {
        Self::take_fill(self)
    }

    fn end(&mut self) {
        Self::end(self);
    }

    fn had_two_writers(&self) -> bool {
        Self::had_two_writers(self)
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

/// The counters as one reader is told of them.
#[derive(Debug)]
pub(super) struct Counting {
    counters: CounterReader,
    /// The rings of that reader.
    rings: Vec<usize>,
    /// CPUs with lower numbers have rings.
    cpus: u32,
    /// Whether there shall be second programs as soon as requests are passed on to other disks.
    awaits_multipath: bool,
    /// Attempts and refusals of all streams as last told, by CPU and then as in [`kernel::Counters`].
    told: Vec<(u64, u64)>,
}

impl Counters for Counting {
    fn read(&mut self, streams: &mut Vec<StreamCount>) -> anyhow::Result<Audit> {
        let mut counted = self.counters.read()?;
        let mut audit = audit(&counted);
        // What is skipped while the others are read seems to be told by nobody; to read again tells.
        for _ in 0..READ_AGAIN {
            if !self.counters.second_programs() || untold(&audit) == 0 {
                break;
            }
            let (again, before) = (self.counters.read()?, untold(&audit));
            let read = self::audit(&again);
            if untold(&read) >= before {
                break;
            }
            (counted, audit) = (again, read);
        }
        if let Some((cpu, records)) = counted.beyond(self.cpus) {
            return Err(BeginAnew::NewCpu { cpu, records }.into());
        }
        let passed_on = audit.attempts.get(Probe::Remap as usize);
        if self.awaits_multipath && passed_on.is_some_and(|rings| rings.iter().any(|of| *of > 0)) {
            return Err(BeginAnew::Multipath.into());
        }
        self.tell(&counted, streams);
        Ok(audit)
    }
}

impl Counting {
    /// Adds the streams that went on.
    fn tell(&mut self, counted: &kernel::Counters, streams: &mut Vec<StreamCount>) {
        self.told.resize(counted.counted.len() * MAX_RINGS, (0, 0));
        for (element, (counters, told)) in
            counted.counted.iter().zip(self.told.chunks_exact_mut(MAX_RINGS)).enumerate()
        {
            let Some(program) = Program::from_index(element % PROGRAMS) else { continue };
            for (ring, (count, told)) in counters.rings.iter().zip(told).enumerate() {
                // A program counts its attempt first, and may be in the middle of one that is refused.
                let both = (count.attempts, count.lost);
                if *told == both || !self.rings.contains(&ring) {
                    continue;
                }
                *told = both;
                streams.push(StreamCount {
                    cpu: (element / PROGRAMS) as u16,
                    program: program.to_wire(),
                    ring: ring as u8,
                    attempts: count.attempts as u32,
                    lost: count.lost as u32,
                });
            }
        }
    }
}

/// Skips that no second program has made up for.
fn untold(audit: &Audit) -> u64 {
    let all = audit.recursion.iter().zip(&audit.made_up);
    all.map(|(skipped, made_up)| skipped.saturating_sub(*made_up)).sum()
}

/// The sums of all CPUs.
fn audit(counters: &kernel::Counters) -> Audit {
    let mut audit = Audit::default();
    for probe in Probe::ALL {
        let place = probe as usize;
        let (first, second) = (Program::first(probe), Program::second(probe));
        let both = |of: fn(&kernel::Counters, Program, usize) -> u64| -> [u64; MAX_RINGS] {
            std::array::from_fn(|ring| of(counters, first, ring) + of(counters, second, ring))
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
    audit
}

#[cfg(test)]
mod tests {
    use iotruth_common::probe::{INSERT_FLUSH, Probe};

    use super::starts;
    use crate::{config::Config, engine::Starts, view::ProgramStatus};

    #[test]
    fn which_starts_are_traced_is_told_where_it_is_not_as_it_should_be() {
        let told = |start_events, function, missing: Option<&str>| {
            let config = Config { start_events, ..Config::default() };
            let missing = missing.map(str::to_owned);
            let start = ProgramStatus { probe: Probe::Start, function, missing, second: false };
            let (starts, note) = starts(&config, &start);
            (starts, note.unwrap_or_default())
        };
        assert_eq!(told(false, None, None), (Starts::Flagged, String::new()));
        assert_eq!(told(true, None, None), (Starts::All, String::new()));
        for start_events in [false, true] {
            let (starts, note) = told(start_events, Some(INSERT_FLUSH), None);
            assert_eq!(starts, Starts::Flushes);
            assert!(note.contains("flushes are traced in its function blk_insert_flush"), "{note}");
            for (function, why) in [(None, "nowhere"), (Some(INSERT_FLUSH), "not permitted")] {
                let (starts, note) = told(start_events, function, Some(why));
                assert_eq!(starts, Starts::None);
                assert!(note.contains("only the end is seen"), "{note}");
                assert_eq!(note.contains(why), function.is_some(), "{note}");
            }
        }
    }
}
