//! The loaded programs, and all that belongs to them.

use std::{
    fmt,
    mem::offset_of,
    os::fd::AsFd,
    panic::resume_unwind,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Instant,
};

use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader, Endianness, VerifierLogLevel,
    maps::{Array, Map, MapData, MapError, RingBuf},
    programs::ProgramFd,
};
use aya_log::Level;
use iotruth_common::{
    counters::{MAX_RINGS, ProgramCounters, Shared},
    layout::{ABSENT, Layout},
    probe::{INSERT_FLUSH, PROGRAMS, Probe, Program},
    reread::REREAD_BYTES,
    tuning::{MARKS, Tuning},
};
use tracing::warn;

use super::{
    Attached, CounterReader, KernelError, Lanes, LoadOptions, LoadTimes, LogReader, Rereader, Ring,
    Sampler, Transport,
    attach::{self, Link},
    buffer::Buffer,
    constants::Object,
    counters,
    lanes::{ARRAYS, LENGTHS},
    logger,
    mapped::Mapped,
    per_cpu::{Memory, PerCpu},
    possible_cpus, preflight, reread, sampler, system, verify,
};
use crate::{engine::btf::KernelFacts, view::ProgramStatus};

/// The programs, built by the build script.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/iotruth-ebpf"));

/// Names of the rings' maps, by number.
const RINGS: [&str; MAX_RINGS] = [
    "RING0", "RING1", "RING2", "RING3", "RING4", "RING5", "RING6", "RING7", "RING8", "RING9",
    "RING10", "RING11", "RING12", "RING13", "RING14", "RING15",
];

/// Names of the maps that have the slots of the rings of each CPU and program.
const SLOTS: [&str; ARRAYS] = ["SUBMITS", "COMPLETES", "REQUESTS"];

/// The map of the marks that the two programs of a tracepoint share.
const MARKS_MAP: &str = "TOLD";

/// The programs in the kernel; they end with this value, but for rings and readers taken from it.
pub struct Tracer {
    ebpf: Ebpf,
    layout: Layout,
    transport: Transport,
    loaded: Vec<(Program, ProgramFd)>,
    reread: ProgramFd,
    links: Vec<(Program, Link)>,
    /// For want of `block_io_start` there is a program of the function [`INSERT_FLUSH`], if the kernel
    /// lets that be traced.
    insert_flush: Option<Result<(), KernelError>>,
    times: LoadTimes,
    counters: Arc<Mapped>,
    lanes_taken: bool,
}

impl Tracer {
    /// Creates the maps and has the kernel verify the programs; nothing runs yet.
    ///
    /// `btf` is what [`super::read_btf`] gave and `facts` were resolved from.
    pub fn load(
        options: &LoadOptions,
        facts: &KernelFacts,
        btf: &[u8],
    ) -> Result<Self, KernelError> {
        // Before aya is asked for anything: it finds out once for the whole process what the
        // kernel can do, and without the capabilities that would be nothing.
        preflight::capabilities()?;
        check(options)?;
        require_tracepoints(&facts.layout)?;
        let begin = Instant::now();
        let tuning = tuning(options, facts);
        let limit = system::raise_locked_memory();
        let layout = bounded(whole_chains(facts.layout));
        let second = options.second_programs && facts.recursion_guard;
        // Beside each other: each of them goes through all types of the kernel.
        let (types, created) = thread::scope(|scope| {
            let types = scope.spawn(|| Btf::parse(btf, Endianness::default()));
            let object = Object::new(OBJECT, &layout, &tuning);
            let created = object.map(|object| create_maps(options, object.bytes(), second));
            (types.join().unwrap_or_else(|panic| resume_unwind(panic)), created)
        });
        let mut ebpf = created?.map_err(|source| {
            let release = rustix::system::uname();
            explain(source, limit, &release.release().to_string_lossy())
        })?;
        let types = types.map_err(|source| KernelError::ParseBtf { source: source.into() })?;
        let object = begin.elapsed();
        let wanted = programs(&layout, facts.insert_flush, second);
        let mut verified = verify::tracing(&mut ebpf, &wanted, &types)?;
        let mut insert_flush = None;
        if facts.insert_flush {
            let program = verify::insert_flush(&mut ebpf, &types);
            insert_flush = Some(unless_refused(program)?.map(|program| verified.push(program)));
        }
        let reread = verify::unattached(&mut ebpf, reread::PROGRAM)?;
        let times = LoadTimes {
            object,
            verifier: begin.elapsed().saturating_sub(object),
            programs: verified.iter().map(|one| (one.name, one.took)).collect(),
        };
        let loaded = verified.into_iter().map(|one| (one.program, one.descriptor)).collect();
        let transport = options.transport;
        let counted = possible_cpus() as usize * PROGRAMS * size_of::<ProgramCounters>();
        let counters = Arc::new(map_array(&ebpf, counters::MAP, counted)?);
        let links = Vec::new();
        Ok(Self {
            ebpf,
            layout,
            transport,
            loaded,
            reread,
            links,
            insert_flush,
            times,
            counters,
            lanes_taken: false,
        })
    }

    /// How long [`Tracer::load`] took.
    #[must_use]
    pub const fn load_times(&self) -> &LoadTimes {
        &self.times
    }

    /// Lets the programs run, those that end a life first, and the second ones after all first ones:
    /// a tracepoint runs its programs in the order in which they came (`func_add`).
    pub fn attach(&mut self) -> Result<Attached, KernelError> {
        for (program, _) in &self.loaded {
            if self.function(program.probe).is_none() {
                let link = attach::attach(&mut self.ebpf, *program)?;
                self.links.push((*program, link));
                continue;
            }
            match unless_refused(attach::attach_insert_flush(&mut self.ebpf))? {
                Ok(link) => self.links.push((*program, link)),
                Err(error) => self.insert_flush = Some(Err(error)),
            }
        }
        // Later than the last program began to run, by as long as it takes to return from a call: no CPU's
        // clock is ahead of another's by as long.
        let at = system::monotonic();
        // Not before: until here somebody waits.
        system::give_back();
        let programs = Probe::ALL
            .into_iter()
            .map(|probe| ProgramStatus {
                probe,
                function: self.function(probe),
                missing: self.missing(probe),
                second: self.loaded.iter().any(|(program, _)| *program == Program::second(probe)),
            })
            .collect();
        Ok(Attached { programs, at })
    }

    /// The function that is traced for want of a probe's tracepoint.
    fn function(&self, probe: Probe) -> Option<&'static str> {
        (probe == Probe::Start && self.insert_flush.is_some()).then_some(INSERT_FLUSH)
    }

    /// Why there is no program of a probe.
    fn missing(&self, probe: Probe) -> Option<String> {
        if !has(&self.layout, probe) {
            return Some(format!("this kernel has no tracepoint {}", probe.tracepoint()));
        }
        match &self.insert_flush {
            Some(Err(error)) if probe == Probe::Start => Some(reason(error)),
            Some(_) | None => None,
        }
    }

    /// The rings, each for one reader; empty when they were taken before.
    ///
    /// They outlive the tracer, so what is left in them can be drained after [`Tracer::detach`].
    pub fn take_rings(&mut self) -> Result<Vec<Ring>, KernelError> {
        let (rings, bytes) = match self.transport {
            Transport::RingBuffers { rings, ring_bytes, .. } => (rings, ring_bytes),
            Transport::PerCpu(lanes) => return self.take_lanes(&lanes),
        };
        let mut taken = Vec::with_capacity(rings);
        for (number, name) in RINGS.into_iter().enumerate().take(rings) {
            let Some(map) = self.ebpf.take_map(name) else { break };
            let records = RingBuf::try_from(map).map_err(|source| unusable(name, source))?;
            taken.push(Ring::buffer(number, Buffer::new(records, bytes)));
        }
        Ok(taken)
    }

    /// The rings of each CPU and program; those with the same number are one to whoever reads them.
    fn take_lanes(&mut self, lanes: &Lanes) -> Result<Vec<Ring>, KernelError> {
        // They are taken once: nobody else may move the tails.
        if std::mem::replace(&mut self.lanes_taken, true) {
            return Ok(Vec::new());
        }
        let slots = |number: usize| {
            let bytes = lanes.entries(number) as usize * LENGTHS[number];
            map_array(&self.ebpf, SLOTS[number], bytes)
        };
        let counters = Arc::clone(&self.counters);
        let memory = Arc::new(Memory { counters, slots: [slots(0)?, slots(1)?, slots(2)?] });
        let ring = |number| Ring::per_cpu(number, PerCpu::new(Arc::clone(&memory), lanes, number));
        Ok((0..lanes.rings()).map(ring).collect())
    }

    /// A reader of the counters, which outlives the tracer too.
    pub fn counters(&self) -> Result<CounterReader, KernelError> {
        let mut programs = Vec::with_capacity(self.loaded.len());
        for (program, descriptor) in &self.loaded {
            let descriptor = descriptor.try_clone().map_err(|source| KernelError::Program {
                program: program.name(),
                source: source.into(),
            })?;
            programs.push((*program, descriptor));
        }
        let rings = match self.transport {
            Transport::RingBuffers { rings, .. } => rings,
            Transport::PerCpu(lanes) => lanes.rings(),
        };
        let counters = Arc::clone(&self.counters);
        Ok(CounterReader::new(counters, possible_cpus() as usize, rings, programs))
    }

    /// What tells the programs how much to tell.
    pub fn sampler(&self) -> Result<Sampler, KernelError> {
        let shared = map_array(&self.ebpf, sampler::MAP, size_of::<Shared>())?;
        // It says by the way what the programs take off from an address.
        self.rereader(0)?.read(&[])?;
        let origin = shared.word(offset_of!(Shared, origin)).load(Ordering::Acquire);
        Ok(Sampler::new(shared, origin))
    }

    /// A reader of open requests, for the reader with this number, of which there are at most
    /// [`MAX_RINGS`]. It outlives the tracer.
    pub fn rereader(&self, number: usize) -> Result<Rereader, KernelError> {
        let program = self.reread.as_fd().try_clone_to_owned();
        let program = program.map_err(|source| KernelError::Program {
            program: reread::PROGRAM,
            source: source.into(),
        })?;
        Ok(Rereader::new(program, self.array(reread::MAP)?, number as u32))
    }

    /// A handle of its own to one of the arrays.
    fn array<T: aya::Pod>(&self, name: &str) -> Result<Array<MapData, T>, KernelError> {
        let Some(Map::Array(data)) = self.ebpf.map(name) else {
            return Err(no_array(name));
        };
        let data = MapData::from_fd(duplicate(data.fd(), name)?)
            .map_err(|source| unusable(name, source))?;
        Array::try_from(Map::Array(data)).map_err(|source| unusable(name, source))
    }

    /// The messages of the programs; only where they were loaded with `log`.
    pub fn logger(&mut self) -> Result<LogReader, KernelError> {
        LogReader::new(&mut self.ebpf)
    }

    /// Stops the programs. Once this returns, no new record is written.
    ///
    /// The second ones first: without the first one they would tell what nobody was skipped for. The
    /// function last: that may wait until every task was seen outside of it, and what ends meanwhile
    /// would have ended without having begun.
    pub fn detach(&mut self) -> Result<(), KernelError> {
        let links = self.links.drain(..).rev();
        let (functions, tracepoints): (Vec<_>, Vec<_>) =
            links.partition(|(_, link)| matches!(link, Link::Function(_)));
        for (program, link) in tracepoints.into_iter().chain(functions) {
            attach::detach(&mut self.ebpf, program, link)?;
        }
        // In doubt, what they write is not read.
        let _certain: bool = system::wait_for_programs();
        Ok(())
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attached: Vec<Program> = self.links.iter().map(|(program, _)| *program).collect();
        f.debug_struct("Tracer")
            .field("transport", &self.transport)
            .field("attached", &attached)
            .finish_non_exhaustive()
    }
}

/// Parts what the kernel refuses, without which it goes on, from what must not happen.
fn unless_refused<T>(
    result: Result<T, KernelError>,
) -> Result<Result<T, KernelError>, KernelError> {
    match result {
        Err(error @ KernelError::Function { .. }) => {
            // All of it, since a verifier has much to say.
            warn!("{error}");
            Ok(Err(error))
        }
        Err(error) => Err(error),
        Ok(value) => Ok(Ok(value)),
    }
}

/// What the kernel itself said, at the end of what a library made of it.
fn reason(error: &KernelError) -> String {
    let KernelError::Function { function, source } = error else { return error.to_string() };
    let mut innermost: &dyn std::error::Error = source.as_ref();
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("the kernel does not let its function {function} be traced: {innermost}")
}

/// Maps the values of an array.
fn map_array(ebpf: &Ebpf, name: &str, bytes: usize) -> Result<Mapped, KernelError> {
    let Some(Map::Array(data)) = ebpf.map(name) else { return Err(no_array(name)) };
    Mapped::array(data.fd().as_fd(), bytes)
        .map_err(|source| KernelError::Map { map: name.into(), source: source.into() })
}

fn no_array(name: &str) -> KernelError {
    KernelError::Missing { what: format!("array {name}") }
}

fn duplicate(
    descriptor: &aya::maps::MapFd,
    name: &str,
) -> Result<std::os::fd::OwnedFd, KernelError> {
    descriptor
        .as_fd()
        .try_clone_to_owned()
        .map_err(|source| KernelError::Map { map: name.into(), source: source.into() })
}

/// What is read of a request fits into its place in the map, on any kernel.
fn bounded(mut layout: Layout) -> Layout {
    layout.request_bytes = layout.request_bytes.min(REREAD_BYTES as u32);
    layout
}

/// Refuses options that the kernel would answer with a bare "invalid argument".
fn check(options: &LoadOptions) -> Result<(), KernelError> {
    let Transport::RingBuffers { rings, ring_bytes, .. } = options.transport else {
        return Ok(());
    };
    let page = system::page_bytes();
    if !rings.is_power_of_two() || rings > MAX_RINGS {
        return Err(KernelError::Options {
            what: format!("{rings} rings are not possible"),
            choose: format!("a power of two up to {MAX_RINGS}"),
        });
    }
    if !ring_bytes.is_power_of_two() || ring_bytes < page {
        return Err(KernelError::Options {
            what: format!("a ring cannot have {ring_bytes} bytes"),
            choose: format!("a power of two from {page} on"),
        });
    }
    Ok(())
}

fn require_tracepoints(layout: &Layout) -> Result<(), KernelError> {
    match Probe::ALL.into_iter().find(|probe| probe.mandatory() && !has(layout, *probe)) {
        Some(probe) => Err(KernelError::NoTracepoint { tracepoint: probe.tracepoint() }),
        None => Ok(()),
    }
}

fn has(layout: &Layout, probe: Probe) -> bool {
    layout.request_argument[probe as usize] != ABSENT
}

/// The way from a bio to its cgroup has five fields: where one is missing, none is of use.
fn whole_chains(mut layout: Layout) -> Layout {
    let chain = [
        &mut layout.bio_blkg,
        &mut layout.blkg_blkcg,
        &mut layout.blkcg_cgroup,
        &mut layout.cgroup_kn,
        &mut layout.kn_id,
    ];
    if chain.iter().any(|field| **field == ABSENT) {
        for field in chain {
            *field = ABSENT;
        }
    }
    layout
}

/// The probes that this kernel has, in the order in which their programs are attached.
fn present(layout: &Layout) -> impl Iterator<Item = Probe> + use<> {
    let layout = *layout;
    Probe::ALL.into_iter().filter(move |probe| has(&layout, *probe))
}

/// The programs of tracepoints that this kernel needs, in the order in which they are attached.
fn programs(layout: &Layout, insert_flush: bool, second: bool) -> Vec<Program> {
    let present = || present(layout).filter(|probe| *probe != Probe::Start || !insert_flush);
    if second {
        present().map(Program::first).chain(present().map(Program::second)).collect()
    } else {
        present().map(Program::only).collect()
    }
}

fn tuning(options: &LoadOptions, facts: &KernelFacts) -> Tuning {
    let (ring_mask, fill_mark, lanes) = match options.transport {
        Transport::RingBuffers { rings, fill_mark, .. } => (rings as u32 - 1, fill_mark, None),
        Transport::PerCpu(lanes) => (lanes.rings() as u32 - 1, 0, Some(lanes)),
    };
    let nested = !facts.recursion_guard;
    Tuning {
        ring_mask,
        fill_mark,
        start_events: u32::from(options.start_events),
        start_flags: facts.flavor.req.preflush | facts.flavor.req.fua,
        nested: u32::from(nested),
        task: u32::from(facts.task_btf_helper),
        log: u32::from(options.log),
        plain: u32::from(lanes.is_some() && ring_mask == 0 && !nested && !options.log),
        per_cpu: u32::from(lanes.is_some()),
        lanes: lanes.map_or_else(Default::default, |lanes| lanes.of),
    }
}

/// Creates the maps, sized for this machine.
fn create_maps(options: &LoadOptions, object: &[u8], second: bool) -> Result<Ebpf, EbpfError> {
    let page = system::page_bytes();
    let level = if options.log { Level::Debug as u8 } else { 0 };
    let mut loader = EbpfLoader::new();
    loader
        // The programs have no CO-RE relocations. What `new` has parsed is freed here.
        .btf(None)
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global(aya_log::LEVEL, &level, true)
        .map_max_entries(counters::MAP, possible_cpus() * PROGRAMS as u32)
        .map_max_entries(MARKS_MAP, if second { MARKS } else { 1 });
    let (rings, ring_bytes) = match options.transport {
        Transport::RingBuffers { rings, ring_bytes, .. } => (rings, ring_bytes),
        Transport::PerCpu(lanes) => {
            for (array, name) in SLOTS.into_iter().enumerate() {
                loader.map_max_entries(name, lanes.entries(array));
            }
            (0, page)
        }
    };
    for (number, name) in RINGS.into_iter().enumerate() {
        // The kernel has no smaller ring than a page.
        loader.map_max_entries(name, if number < rings { ring_bytes } else { page });
    }
    if !options.log {
        loader.map_max_entries(logger::MAP, page);
    }
    loader.load(object)
}

/// Why there are no maps, where the kernel says no more than "not permitted". `limit` is that of locked
/// memory, where it could not be lifted: before Linux 5.11 maps count as such.
fn explain(source: EbpfError, limit: Option<u64>, release: &str) -> KernelError {
    let refused = matches!(
        &source,
        EbpfError::MapError(MapError::CreateError { io_error, .. })
            if io_error.raw_os_error() == Some(libc::EPERM)
    );
    match limit.filter(|_| maps_are_locked_memory(release)) {
        _ if !refused => KernelError::Object { source: source.into() },
        Some(limit) => KernelError::LockedMemory { limit },
        None => KernelError::NotPermitted,
    }
}

/// Whether a release, such as `5.10.0-33-amd64`, is older than 5.11.
fn maps_are_locked_memory(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (5, 11))
}

fn unusable(map: &str, source: MapError) -> KernelError {
    KernelError::Map { map: map.into(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{
        ABSENT, EbpfError, INSERT_FLUSH, KernelError, Layout, LoadOptions, MapError, Transport,
        check, explain, reason, unless_refused, whole_chains,
    };

    fn options(rings: usize, ring_bytes: u32) -> LoadOptions {
        LoadOptions {
            transport: Transport::RingBuffers { rings, ring_bytes, fill_mark: 1 << 19 },
            start_events: false,
            second_programs: false,
            log: false,
        }
    }

    #[test]
    fn impossible_rings_are_refused_with_what_is_possible() {
        assert!(check(&options(2, 1 << 20)).is_ok());
        for rings in [0, 3, 32] {
            let refused = check(&options(rings, 1 << 20));
            assert!(matches!(refused, Err(KernelError::Options { .. })), "{rings}");
        }
        for ring_bytes in [0, 2048, 3 << 20] {
            let refused = check(&options(2, ring_bytes));
            assert!(matches!(refused, Err(KernelError::Options { .. })), "{ring_bytes}");
        }
    }

    #[test]
    fn a_map_that_is_not_permitted_is_a_matter_of_locked_memory_where_that_is_limited() {
        let refused = |errno| {
            let io_error = io::Error::from_raw_os_error(errno);
            EbpfError::MapError(MapError::CreateError { name: "RING0".to_owned(), io_error })
        };
        let old = "5.10.0-33-amd64";
        let error = explain(refused(libc::EPERM), Some(65_536), old);
        assert!(matches!(error, KernelError::LockedMemory { limit: 65_536 }), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the limit of locked memory (65536 bytes) is too small for the rings and cannot be \
             raised: set LimitMEMLOCK=infinity in the systemd unit, or `ulimit -l unlimited` as root"
        );
        for (limit, release) in [(None, old), (Some(65_536), "5.11.22"), (Some(65_536), "6.1-rc3")]
        {
            let error = explain(refused(libc::EPERM), limit, release);
            assert!(matches!(error, KernelError::NotPermitted), "{release}: {error:?}");
        }
        let error = explain(refused(libc::ENOMEM), Some(65_536), old);
        assert!(matches!(error, KernelError::Object { .. }), "{error:?}");
        let other = EbpfError::MapError(MapError::InvalidName { name: "RING0".to_owned() });
        assert!(matches!(explain(other, Some(65_536), old), KernelError::Object { .. }));
    }

    #[test]
    fn what_the_kernel_says_of_its_function_is_told_without_what_was_made_of_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("`bpf_prog_load` failed, and 1,000 lines more")]
        struct Failed(#[source] io::Error);
        let refusal = || {
            let source = Failed(io::Error::from_raw_os_error(libc::EBUSY)).into();
            KernelError::Function { function: INSERT_FLUSH, source }
        };
        assert_eq!(
            reason(&refusal()),
            "the kernel does not let its function blk_insert_flush be traced: Device or resource busy \
             (os error 16)"
        );
        assert!(matches!(unless_refused::<()>(Err(refusal())), Ok(Err(_))));
        assert!(matches!(unless_refused(Ok(7)), Ok(Ok(7))));
        let missing = KernelError::Missing { what: "it".to_owned() };
        assert!(unless_refused::<()>(Err(missing)).is_err(), "no affair of the kernel");
    }

    #[test]
    fn a_broken_chain_is_no_chain() {
        let mut layout: Layout = bytemuck::Zeroable::zeroed();
        assert_eq!(whole_chains(layout), layout);
        layout.cgroup_kn = ABSENT;
        let broken = whole_chains(layout);
        assert_eq!([broken.bio_blkg, broken.blkcg_cgroup, broken.kn_id], [ABSENT; 3]);
        assert_eq!(broken.request_bio, 0);
    }
}
