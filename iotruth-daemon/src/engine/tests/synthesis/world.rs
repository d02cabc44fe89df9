//! What a stream comes from: a kernel, its disks, and how its rings are read.

use proptest::prelude::*;

use crate::engine::{Starts, device::DeviceId};

/// Disks of a world.
pub(super) const DISKS: usize = 3;
/// Hardware queues of each disk.
pub(super) const QUEUES: usize = 2;
/// Tags of each hardware queue.
pub(super) const TAGS: usize = 3;
/// Marks of which no two requests share one.
pub(super) const ENOUGH_MARKS: usize = 1 << 16;
/// CPUs of the machine.
pub(super) const CPUS: usize = 4;

/// A kernel with its disks.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// Which starts are traced.
    pub(super) starts: Starts,
    /// Requests of a flush sequence are inserted like all others, as since Linux 6.6.
    pub(super) inserts_sequences: bool,
    pub(super) disks: [Disk; DISKS],
    /// The second disk has the tags of the first one, as two LUNs of a host have.
    pub(super) shared_tags: bool,
    /// How far the clock of each CPU is ahead, in nanoseconds.
    pub(super) skews: [u64; CPUS],
    /// How many rings there are, as a power of two.
    pub(super) rings: u32,
    /// How long the reader sleeps.
    pub(super) tick: u64,
    /// Marks that the two programs of each tracepoint share; `None` where there is one program.
    pub(super) marks: Option<usize>,
}

/// What a disk and its driver are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    pub(super) scheduler: bool,
    pub(super) cache: Cache,
    pub(super) driver: Driver,
    /// Without statistics, a request keeps the start time of its last use (6.18 on).
    pub(super) stale_times: bool,
}

/// The write cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cache {
    /// Written through: nothing is ever flushed.
    None,
    /// Volatile, and without FUA.
    Volatile,
    /// Volatile, with FUA.
    VolatileFua,
}

/// Whose requests these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    /// Any driver of a device.
    Plain,
    /// Request-based device mapper.
    Mapper,
    /// A path below request-based device mapper: it gets clones.
    Lower,
    /// A path of an nvme multipath device: what fails over is taken from it.
    Path,
}

impl World {
    /// The identity of a disk.
    pub(super) const fn device(disk: usize) -> DeviceId {
        DeviceId { number: (8 << 20) + 16 * disk as u32, sequence: 10 + disk as u64 }
    }

    /// The address of a disk's queue.
    pub(super) const fn queue(disk: usize) -> u64 {
        0xa000 + 0x1000 * disk as u64
    }

    /// The ring of a hardware queue.
    pub(super) const fn ring(&self, disk: usize, queue: usize) -> usize {
        (disk + queue * 2) % (1 << self.rings)
    }

    /// Whose tags a disk uses.
    const fn tag_set(&self, disk: usize) -> usize {
        let same = self.shared_tags && !self.disks[0].scheduler && !self.disks[1].scheduler;
        if same && disk == 1 { 0 } else { disk }
    }

    /// The address of a request.
    pub(super) const fn request(&self, disk: usize, queue: usize, tag: usize) -> u64 {
        (0x100 * (1 + self.tag_set(disk) as u64) + 0x40 * queue as u64 + tag as u64) << 8
    }

    /// The address of the flush request of a hardware queue.
    pub(super) const fn flush_request(disk: usize, queue: usize) -> u64 {
        (0x1000 + 0x10 * disk as u64 + queue as u64) << 8
    }
}

/// Every world, the plainest first.
pub(super) fn worlds() -> impl Strategy<Value = World> {
    let kernel = prop_oneof![
        Just((Starts::All, true)),
        Just((Starts::Flagged, true)),
        Just((Starts::Flushes, true)),
        Just((Starts::Flushes, false)),
        Just((Starts::None, true)),
        Just((Starts::None, false)),
    ];
    let disk = (
        any::<bool>(),
        prop_oneof![Just(Cache::None), Just(Cache::Volatile), Just(Cache::VolatileFua)],
        prop_oneof![
            2 => Just(Driver::Plain),
            1 => Just(Driver::Mapper),
            1 => Just(Driver::Lower),
            1 => Just(Driver::Path),
        ],
        prop::bool::weighted(0.2),
    )
        .prop_map(|(scheduler, cache, driver, stale_times)| Disk {
            scheduler,
            cache,
            driver,
            stale_times,
        });
    (
        kernel,
        [disk.clone(), disk.clone(), disk],
        any::<bool>(),
        prop::array::uniform4(0_u64..400),
        0_u32..3,
        10_000_u64..2_000_000,
        prop_oneof![Just(None), Just(Some(3)), Just(Some(ENOUGH_MARKS))],
    )
        .prop_map(
            |((starts, inserts_sequences), disks, shared_tags, skews, rings, tick, marks)| World {
                starts,
                inserts_sequences,
                disks,
                shared_tags,
                skews,
                rings,
                tick,
                marks,
            },
        )
}
