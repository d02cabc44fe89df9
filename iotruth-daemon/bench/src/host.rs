//! An engine and the host that it watches; what is measured is here.

use bytemuck::Zeroable;
use iotruth_common::{counters::MAX_RINGS, layout::Layout};

use crate::{
    engine::{Audit, Engine, EngineConfig, Limits, Policy, Starts, flavor::Flavor},
    load::Load,
    memory,
    stream::{BEGIN, Stream},
};

/// Records that lie in the rings when the reader comes: those of 16 ms at a million a second, a
/// megabyte and a half, which is more than the nearest caches hold.
pub const BATCH: u64 = 16_384;

/// How often the counters are read, in nanoseconds, as the reader does it.
const AUDIT_EVERY: u64 = 100_000_000;

/// How often a snapshot is taken, in nanoseconds.
const PUBLISH_EVERY: u64 = 200_000_000;

/// How often it is looked which lives are old, and how many are open, in nanoseconds.
const CENSUS_EVERY: u64 = 1_000_000_000;

/// A host under load, and the engine that watches it.
#[derive(Debug)]
pub struct Host {
    stream: Stream,
    engine: Engine,
    audited: u64,
    published: u64,
    looked: u64,
    bytes_per_life: u64,
}

impl Host {
    /// With as many requests open as the load keeps open, and every device known by name.
    #[must_use]
    pub fn new(load: Load) -> Self {
        let engine = Engine::new(EngineConfig {
            flavor: Flavor::linux_6_12(),
            layout: Layout::zeroed(),
            limits: Limits { stuck_after: 5_000_000_000, slow_flush_after: 1_000_000_000 },
            attached: BEGIN - 1,
            tick: Some(4_000_000),
            starts: Starts::All,
            second_programs: false,
            rings: (0..(load.rings as usize).min(MAX_RINGS)).collect(),
            index: 0,
            engines: 1,
        });
        let mut host = Self {
            stream: Stream::new(load),
            engine,
            audited: BEGIN,
            published: BEGIN,
            looked: BEGIN,
            bytes_per_life: 0,
        };
        host.open(load);
        host
    }

    fn open(&mut self, load: Load) {
        let mut grown = 0;
        loop {
            self.stream.empty();
            if self.stream.open(BATCH) == 0 {
                break;
            }
            let before = memory::allocated();
            self.take();
            grown += memory::allocated() - before;
        }
        self.bytes_per_life = grown / load.open;
        for id in self.engine.take_unnamed() {
            self.engine.name_device(id, &id.to_string(), Policy::Follow);
        }
        // The figures of each device are made when a request of it first ends.
        for _ in 0..=load.open * 2 / BATCH {
            self.fill();
            self.serve();
        }
    }

    /// What the engine allocated for each life that is open: its place in the table, the room that
    /// the table keeps, and what it knows of the devices.
    #[must_use]
    pub const fn bytes_per_life(&self) -> u64 {
        self.bytes_per_life
    }

    /// How many lives are open, and how many ended and were not judged; for a look whether the
    /// stream is what it should be.
    #[must_use]
    pub fn books(&self) -> (u64, u64) {
        let lives = self.engine.snapshot(self.stream.now()).lives;
        (lives.open, lives.unjudged + lives.evicted + lives.impossible)
    }

    /// Fills the rings; says how many events are in them.
    pub fn fill(&mut self) -> u64 {
        self.stream.empty();
        let mut events = 0;
        while events < BATCH {
            events += self.stream.turn();
        }
        events
    }

    /// Does what a reader does, under a name by which it is found where instructions are counted.
    #[inline(never)]
    pub fn measured(&mut self) {
        self.serve();
    }

    /// Takes what is in the rings, and does now and then what is to be done now and then.
    #[inline(never)]
    fn serve(&mut self) {
        self.take();
        let now = self.stream.now();
        if now - self.audited >= AUDIT_EVERY {
            self.audited = now;
            let audit: Audit = self.stream.counters();
            self.engine.audit(audit);
        }
        if now - self.published >= PUBLISH_EVERY {
            self.published = now;
            std::hint::black_box(self.engine.snapshot(now));
        }
        if now - self.looked >= CENSUS_EVERY {
            self.looked = now;
            std::hint::black_box(self.engine.suspects(now));
            self.engine.count_open(now, now);
        }
    }

    #[inline(never)]
    fn take(&mut self) {
        for (number, ring) in self.stream.rings().iter().enumerate() {
            let mut records = self.engine.records(number);
            ring.drain(|bytes| records.take(bytes));
            records.finish();
        }
    }
}
