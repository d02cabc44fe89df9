//! The engine: what a reader feeds with the records of its rings.

use std::sync::Arc;

use iotruth_common::{
    counters::MAX_RINGS,
    layout::{ABSENT, Layout},
    probe::{PROBES, Probe},
};

use super::{
    account::AdditionLog,
    decode::decode,
    device::DeviceId,
    devices::{Devices, Policy},
    flavor::Flavor,
    flushes::Flushes,
    held::Held,
    inflight::InFlight,
    log::Log,
    lookahead::Lookahead,
    plain::Rests,
    sample::Sample,
    shortcut::Shortcut,
    skips::Skips,
    snapshot::{LOSSES, LifeFigures, Loss, ProbeFigures, RingFigures, Snapshot},
    spares::Spares,
    starts::Starts,
    streams::{Arrival, StreamCount, Streams, since},
    table::{Key, Table},
};

/// From when on it is told that a request waits, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In the device or in a queue, without an event.
    pub stuck_after: u64,
    /// A flush, with the device.
    pub slow_flush_after: u64,
}

/// What an engine is told once.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Numbers of this kernel.
    pub flavor: Flavor,
    /// Where the fields of a request are in kernel memory.
    pub layout: Layout,
    /// From when on it is told that a request waits.
    pub limits: Limits,
    /// When the last program was attached: nanoseconds of `CLOCK_MONOTONIC`. What started later
    /// is seen from its beginning.
    pub attached: u64,
    /// How long a tick of the kernel is, in which timeouts are told, in nanoseconds; `None` where that
    /// is not known.
    pub tick: Option<u64>,
    /// For which requests their start is traced, so that its absence in such a life means something.
    pub starts: Starts,
    /// Whether each tracepoint has a second program, which tells what the first one was skipped for.
    pub second_programs: bool,
    /// The rings that this engine is fed from.
    pub rings: Vec<usize>,
    /// Number of this engine, from 0.
    pub index: usize,
    /// How many engines there are.
    pub engines: usize,
}

/// The kernel side's own counters, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Audit {
    /// Just before they were read: nanoseconds of `CLOCK_MONOTONIC`.
    pub read: u64,
    /// Records that were tried, by probe and ring: by both programs of a tracepoint together.
    pub attempts: [[u64; MAX_RINGS]; PROBES],
    /// Records that were refused, by probe and ring.
    pub lost: [[u64; MAX_RINGS]; PROBES],
    /// Runs that the first programs were skipped for and the second ones were not, by probe: what
    /// these tried to write, a part of the attempts, and what need not be written.
    pub made_up: [u64; PROBES],
    /// Runs of the first programs that the kernel skipped, by probe; read after all else.
    pub recursion: [u64; PROBES],
    /// Runs of the second programs that the kernel skipped, by probe.
    pub second_recursion: [u64; PROBES],
}

/// What a ring was last seen to have refused.
#[derive(Clone, Copy, Debug, Default)]
struct Refusals {
    count: u32,
    seen: u64,
}

/// Records of a ring that were counted by the kernel side, and neither came nor are known to be lost.
#[derive(Clone, Copy, Debug, Default)]
struct Awaited {
    count: u64,
    /// Records of the ring that had come then.
    received: u64,
    /// When there were last more of them, or perhaps others: nanoseconds of `CLOCK_MONOTONIC`.
    changed: u64,
}

/// What is known to be missing from a ring, so that nobody waits for it.
#[derive(Clone, Copy, Debug, Default)]
struct Amiss {
    /// Records that could not be read, and records that were lost on our side.
    count: u64,
    /// Of those that could not be read, how many have not shown as a missing number yet.
    unread: u64,
}

impl Amiss {
    /// A record could not be read. Its number will be missing from its stream, if that goes on.
    const fn unread(&mut self) {
        self.count += 1;
        self.unread += 1;
    }

    /// Numbers are missing; returns how many of them were not known yet.
    fn missing(&mut self, numbers: u64) -> u64 {
        let known = numbers.min(self.unread);
        self.unread -= known;
        self.count += numbers - known;
        numbers - known
    }
}

/// Joins records into lives, judges them and keeps the books.
#[derive(Debug)]
pub struct Engine {
    pub(super) flavor: Flavor,
    pub(super) layout: Layout,
    pub(super) limits: Limits,
    /// When the last program was attached: nanoseconds of `CLOCK_MONOTONIC`.
    began: u64,
    /// Since when what is followed has been told: nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) attached: u64,
    /// What is followed.
    pub(super) sample: Sample,
    /// The first of the places that requests are spread over by their addresses that is followed; 0 where
    /// every one is.
    pub(super) first_told: u32,
    /// From when on a flush is sent for nobody who was not followed.
    pub(super) waiters_known_from: u64,
    pub(super) tick: Option<u64>,
    pub(super) starts: Starts,
    rings: Vec<usize>,
    streams: Streams,
    pub(super) table: Table,
    pub(super) rests: Rests,
    /// Where the records of [`Engine::records`] wait, while there are none.
    pub(super) lookahead: Option<Box<Lookahead>>,
    pub(super) spares: Spares,
    pub(super) shortcut: Shortcut,
    pub(super) devices: Devices,
    pub(super) flushes: Flushes,
    pub(super) held: Held,
    pub(super) log: Log,
    pub(super) lives: LifeFigures,
    /// Lives that were found to have ended, and are to be closed.
    pub(super) gone: Vec<Key>,
    pub(super) in_flight: InFlight,
    /// Requests of this census that have been open for long and may have been tried again.
    pub(super) doubtful: u64,
    /// Grows with every interval in which an event may have passed unseen and unrefused.
    pub(super) blind: u32,
    /// When events last passed unseen, by what was known then.
    blind_at: u64,
    refusals: [Refusals; MAX_RINGS],
    received: [[u64; MAX_RINGS]; PROBES],
    /// When the counters were last read while every device had a name.
    named_until: u64,
    /// When they were last read while no record was missing that they count.
    whole_until: u64,
    /// Records of requests that are not followed.
    pub(super) passed_over: [u64; PROBES],
    /// Records of each ring that had not come when the counters were last taken.
    behind: [u64; MAX_RINGS],
    /// Records of each ring that will never be received.
    amiss: [Amiss; MAX_RINGS],
    /// Records of each ring that were missing when the counters were last taken.
    awaited: [Awaited; MAX_RINGS],
    losses: [u64; LOSSES],
    skips: Skips,
    audit: Audit,
    pub(super) newest: u64,
    /// What was counted while an audit is under way.
    pub(super) additions: AdditionLog,
    /// Time of the first record since the last [`Engine::take_oldest`].
    oldest: Option<u64>,
}

impl Engine {
    /// An engine that has seen nothing yet.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self {
            flavor: config.flavor,
            layout: config.layout,
            limits: config.limits,
            // No event without a start time is newer than this.
            began: config.attached,
            attached: config.attached.max(1),
            sample: Sample::ALL,
            first_told: 0,
            waiters_known_from: 0,
            tick: config.tick,
            starts: config.starts,
            rings: config.rings,
            streams: Streams::default(),
            table: Table::default(),
            rests: Rests::default(),
            lookahead: None,
            spares: Spares::default(),
            shortcut: Shortcut::new(&config.flavor),
            devices: Devices::new(config.layout.disk_diskseq != ABSENT),
            flushes: Flushes::default(),
            held: Held::default(),
            log: Log::new(config.index as u64 + 1, config.engines.max(1) as u64),
            lives: LifeFigures::default(),
            gone: Vec::new(),
            in_flight: InFlight::default(),
            doubtful: 0,
            blind: 0,
            blind_at: 0,
            refusals: [Refusals::default(); MAX_RINGS],
            received: [[0; MAX_RINGS]; PROBES],
            passed_over: [0; PROBES],
            behind: [0; MAX_RINGS],
            amiss: [Amiss::default(); MAX_RINGS],
            awaited: [Awaited::default(); MAX_RINGS],
            losses: [0; LOSSES],
            skips: Skips::new(config.second_programs),
            named_until: 0,
            whole_until: 0,
            audit: Audit::default(),
            newest: 0,
            additions: AdditionLog::default(),
            oldest: None,
        }
    }

    /// Takes one record, as it lies in `ring`.
    #[inline]
    pub fn record(&mut self, ring: usize, bytes: &[u8]) {
        let Ok(record) = decode(bytes) else {
            if let Some(amiss) = self.amiss.get_mut(ring) {
                amiss.unread();
            }
            self.lose(Loss::Late, 1);
            return;
        };
        let head = record.head();
        let probe = record.probe();
        if let Some(count) = self.received.get_mut(probe as usize).and_then(|row| row.get_mut(ring))
        {
            *count += 1;
        }
        match self.streams.arrive(ring, record.program(), head) {
            Arrival::InOrder | Arrival::AfterRefusals => {}
            Arrival::AfterUnknownLoss(missing) => {
                let lost =
                    self.amiss.get_mut(ring).map_or(0, |amiss| amiss.missing(missing.into()));
                self.lose(Loss::UserQueue, lost);
            }
            // A program that interrupted itself, on kernels before 6.1, numbers out of order. Its
            // number was taken for missing.
            Arrival::Late => {
                if let Some(amiss) = self.amiss.get_mut(ring) {
                    amiss.count = amiss.count.saturating_sub(1);
                }
                self.lose(Loss::Late, 0);
            }
        }
        self.newest = self.newest.max(head.time);
        if self.oldest.is_none() {
            self.oldest = Some(head.time);
        }
        if let Some(refusals) = self.refusals.get_mut(ring)
            && refusals.count != head.ring_lost
        {
            *refusals = Refusals { count: head.ring_lost, seen: self.newest };
        }
        if self.follows(head) {
            self.join(ring as u8, &record);
        } else {
            self.pass_over(ring as u8, probe, head);
        }
    }

    /// Counts events that passed unseen, and distrusts every life that is open meanwhile.
    pub(super) fn lose(&mut self, loss: Loss, count: u64) {
        if let Some(total) = self.losses.get_mut(loss as usize) {
            *total += count;
        }
        self.blind = self.blind.wrapping_add(1);
        self.blind_at = self.newest.max(self.audit.read);
    }

    /// How many records this ring was last known to have refused.
    pub(super) fn refused(&self, ring: u8) -> u32 {
        self.refusals.get(usize::from(ring)).map_or(0, |refusals| refusals.count)
    }

    /// Another number after each loss that is counted.
    pub(super) fn losses_known(&self) -> u64 {
        let refused = self.refusals.iter().map(|refusals| u64::from(refusals.count));
        refused.sum::<u64>() + u64::from(self.blind)
    }

    /// When a record of this ring was last known to be lost.
    pub(super) fn last_loss(&self, ring: u8) -> u64 {
        let refused = self.refusals.get(usize::from(ring)).map_or(0, |refusals| refusals.seen);
        refused.max(self.blind_at)
    }

    /// Takes the counters of the kernel side, and lets go of the verdicts that waited for them.
    ///
    /// All records that were written before the counters were read must have been taken first.
    /// Says whether anything changed.
    pub fn audit(&mut self, audit: Audit) -> bool {
        let read = audit.read;
        let changed = audit != Audit { read, ..self.audit } || self.awaits_audit();
        self.audit = audit;
        for ring in &self.rings {
            if let Some(behind) = self.behind.get_mut(*ring) {
                *behind = self.streams.behind(*ring);
            }
        }
        self.take_refusals();
        self.await_records();
        if self.skips.take(read, &audit.recursion, &audit.made_up) {
            // How many is known only once they are settled.
            self.lose(Loss::Recursion, 0);
        }
        self.release(read);
        self.close_gone(read);
        if self.devices.are_named() {
            self.named_until = read;
        }
        changed
    }

    /// When the counters of the kernel side were read that were taken last.
    #[must_use]
    pub const fn counters_read(&self) -> u64 {
        self.audit.read
    }

    /// Whether every record of all rings has been taken that was tried before then, or is known to be
    /// lost.
    #[must_use]
    pub fn has_caught_up(&self) -> bool {
        self.rings.iter().all(|ring| self.caught_up(*ring as u8))
    }

    /// The same of one ring.
    pub(super) fn caught_up(&self, ring: u8) -> bool {
        let ring = usize::from(ring);
        self.missing(ring, &self.audit) == 0 && self.held_back(ring) == 0
    }

    /// How many records of a ring had not come by their streams when the counters were last taken.
    fn held_back(&self, ring: usize) -> u64 {
        // What could not be read says of no stream that it came.
        let unread = self.amiss.get(ring).map_or(0, |amiss| amiss.unread);
        self.behind.get(ring).map_or(0, |behind| behind.saturating_sub(unread))
    }

    /// Takes what the streams had counted when the counters were read that are taken next; of those
    /// that went on since the time before.
    pub(super) fn count_streams(&mut self, counts: &[StreamCount]) {
        for count in counts {
            self.streams.counted(count);
        }
    }

    /// Whether every record has been taken, or is known to be lost, that was tried before these
    /// counters were read.
    #[must_use]
    pub fn has_taken(&self, audit: &Audit) -> bool {
        self.rings.iter().all(|ring| self.missing(*ring, audit) == 0)
    }

    /// How many records of a ring that were tried before the counters were read have not come and are not
    /// known to be lost.
    ///
    /// Each probe by itself: what came after the counters were read, of a probe that is busy, must not
    /// stand in for a record of another one that is missing.
    fn missing(&self, ring: usize, audit: &Audit) -> u64 {
        let counts = self.received.iter().zip(&audit.lost).zip(&audit.attempts);
        let missing = counts.map(|((received, lost), attempts)| {
            let of = |row: &[u64; MAX_RINGS]| row.get(ring).copied().unwrap_or_default();
            of(attempts).saturating_sub(of(received) + of(lost))
        });
        let amiss = self.amiss.get(ring).map_or(0, |amiss| amiss.count);
        missing.sum::<u64>().saturating_sub(amiss)
    }

    /// Notes how many records have not come.
    fn await_records(&mut self) {
        let read = self.audit.read;
        let mut whole = true;
        for place in 0..self.rings.len() {
            let Some(ring) = self.rings.get(place).copied() else { continue };
            let missing = self.missing(ring, &self.audit);
            let count = missing + self.held_back(ring);
            let received = self.received.iter().filter_map(|row| row.get(ring)).sum();
            whole &= missing == 0;
            if let Some(awaited) = self.awaited.get_mut(ring) {
                // As many as before may be others, where one has come.
                let same = count <= awaited.count && received == awaited.received;
                let changed = if same { awaited.changed } else { read };
                *awaited = Awaited { count, received, changed };
            }
        }
        if whole {
            self.whole_until = read;
        }
    }

    /// Until when records of a ring, where some are missing, may have been written: what they tell may have
    /// happened until then.
    pub(super) fn missing_until(&self, ring: u8) -> Option<u64> {
        let awaited = self.awaited.get(usize::from(ring))?;
        (awaited.count > 0).then_some(awaited.changed)
    }

    /// Learns from the counters what the rings have refused since the last record.
    fn take_refusals(&mut self) {
        let at = self.newest.max(self.audit.read);
        for (ring, refusals) in self.refusals.iter_mut().enumerate() {
            let all = self.audit.lost.iter().filter_map(|row| row.get(ring));
            let count = all.sum::<u64>() as u32;
            // Records may know of more by now: all that were written before have been taken.
            if since(refusals.count, count) > 0 {
                *refusals = Refusals { count, seen: at };
            }
        }
    }

    /// Devices that were seen for the first time; each is told once.
    pub fn take_unnamed(&mut self) -> Vec<DeviceId> {
        self.devices.take_unnamed()
    }

    /// Gives a device its name and says whether it is to be shown.
    pub fn name_device(&mut self, id: DeviceId, name: &str, policy: Policy) {
        self.devices.name(id, name, policy);
        match policy {
            Policy::Follow => self.log.rename(id, name),
            Policy::Exclude => self.log.forget(id),
        }
    }

    /// Says which sequence number the disk has of which nothing but its number was known.
    pub fn identify_device(&mut self, id: DeviceId, sequence: u64) {
        let identified = DeviceId { sequence, ..id };
        self.devices.identify(id, identified);
        self.log.identify(id, identified);
    }

    /// Ends the series of a device that has gone.
    pub fn end_device(&mut self, id: DeviceId) {
        self.devices.end(id);
    }

    /// Devices that were seen and have not ended.
    pub fn present_devices(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.devices.present()
    }

    /// Says how long the driver of a device is given for a request, in nanoseconds.
    pub fn set_timeout(&mut self, id: DeviceId, timeout: u64) {
        self.devices.set_timeout(id, timeout);
    }

    /// Time of the first record since this was last asked: nanoseconds of `CLOCK_MONOTONIC`.
    pub const fn take_oldest(&mut self) -> Option<u64> {
        self.oldest.take()
    }

    /// Whether verdicts wait for the next audit, or losses that are not settled.
    #[must_use]
    pub fn awaits_audit(&self) -> bool {
        !self.held.is_empty() || !self.gone.is_empty() || self.skips.are_open()
    }

    /// Whatever happened before this time is in the figures that are shown: its records have been taken,
    /// its verdicts wait no more, and its devices have names.
    fn complete_until(&self) -> u64 {
        let named = if self.devices.are_named() { self.audit.read } else { self.named_until };
        let known = named.min(self.whole_until);
        let until = self.held.oldest().map_or(known, |oldest| oldest.min(known));
        // Nothing is to be known of before.
        until.max(self.began)
    }

    /// Attempts and refusals of this moment, by probe and ring: what the counters said when they were last
    /// read, and what the records say that have come since. Else what was received would be held against
    /// what had been tried some time before.
    fn tried(&self) -> [[[u64; MAX_RINGS]; PROBES]; 2] {
        let Audit { mut attempts, mut lost, .. } = self.audit;
        for ring in &self.rings {
            // A number that is missing for another reason may look like one that was refused.
            let counted: u64 = lost.iter().filter_map(|row| row.get(*ring)).sum();
            let known = self.refusals.get(*ring).map_or(0, |refusals| refusals.count);
            let mut refusals = u64::from(since(counted as u32, known));
            for (probe, newer) in self.streams.newer(*ring).iter().enumerate() {
                let refused = newer.refused.min(refusals);
                refusals -= refused;
                for (table, more) in [(&mut attempts, newer.attempts), (&mut lost, refused)] {
                    if let Some(count) = table.get_mut(probe).and_then(|row| row.get_mut(*ring)) {
                        *count += more;
                    }
                }
            }
        }
        [attempts, lost]
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self, now: u64) -> Snapshot {
        let [attempts, lost] = self.tried();
        let own = |table: &[[u64; MAX_RINGS]; PROBES], probe: usize| -> u64 {
            let row = table.get(probe).copied().unwrap_or_default();
            self.rings.iter().filter_map(|ring| row.get(*ring)).sum()
        };
        let of_ring = |table: &[[u64; MAX_RINGS]; PROBES], ring: usize| -> u64 {
            table.iter().filter_map(|row| row.get(ring)).sum()
        };
        let mut probes = [ProbeFigures::default(); PROBES];
        for (probe, figures) in Probe::ALL.iter().zip(probes.iter_mut()) {
            let probe = *probe as usize;
            *figures = ProbeFigures {
                attempts: own(&attempts, probe),
                lost: own(&lost, probe),
                received: own(&self.received, probe),
                passed_over: self.passed_over.get(probe).copied().unwrap_or_default(),
                recursion: self.audit.recursion.get(probe).copied().unwrap_or_default(),
                second: self.audit.made_up.get(probe).copied().unwrap_or_default(),
                second_recursion: self
                    .audit
                    .second_recursion
                    .get(probe)
                    .copied()
                    .unwrap_or_default(),
                unseen: self.skips.lost(probe),
            };
        }
        let rings = self
            .rings
            .iter()
            .map(|ring| RingFigures {
                ring: *ring,
                received: of_ring(&self.received, *ring),
                lost: of_ring(&lost, *ring),
            })
            .collect();
        let mut losses = self.losses;
        losses[Loss::RingFull as usize] = probes.iter().map(|figures| figures.lost).sum();
        losses[Loss::Recursion as usize] = probes.iter().map(|figures| figures.unseen).sum();
        losses[Loss::Inferred as usize] = self.lives.inferred;
        Snapshot {
            taken: now,
            complete_until: self.complete_until(),
            devices: self.devices.figures(),
            gone: self.devices.gone(),
            mismatches_told: self.devices.mismatches(),
            probes,
            rings,
            losses,
            lives: LifeFigures {
                devices_left_out: self.devices.left_out(),
                mismatches_dropped: self.log.dropped(),
                ..self.lives
            },
            // Whoever is excluded must not be seen for the moment that its name is looked up.
            mismatches: self.log.entries(|device| !self.devices.is_unnamed(device)),
            in_flight: Arc::new(self.in_flight.clone()),
        }
    }
}
