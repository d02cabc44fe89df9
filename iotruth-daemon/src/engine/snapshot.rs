//! What the engine knows at one moment, immutable and ready to be shown.

use std::{collections::BTreeMap, sync::Arc};

use iotruth_common::probe::PROBES;

use super::{
    account::{Column, Columns},
    device::DeviceId,
    histogram::Histogram,
    inflight::InFlight,
    io_error::IO_ERRORS,
    kind::KINDS,
    mismatch::Mismatch,
    operation::OPERATIONS,
    phase::{PHASES, Phase},
};

/// Why a life could not be judged; a closed set of label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Unjudged {
    /// A record that belongs to it may have been lost, and the loss was counted.
    Loss,
    /// Its end was never seen and is inferred, because its request is in use again.
    Inferred,
    /// It may have begun before iotruth could see it.
    PreExisting,
}

/// How many reasons there are.
pub const UNJUDGED: usize = 3;

impl Unjudged {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; UNJUDGED] = [Self::Loss, Self::Inferred, Self::PreExisting];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Inferred => "inferred",
            Self::PreExisting => "pre_existing",
        }
    }
}

/// Why an event never reached the engine; a closed set of label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Loss {
    /// The ring had no room: counted by the programs.
    RingFull,
    /// The kernel skipped a program that was running already (`recursion_misses`), and no second one
    /// told the event.
    Recursion,
    /// A record came too late to be joined, or could not be read.
    Late,
    /// User space dropped it.
    UserQueue,
    /// Nobody counted it; it is missing from a life.
    Inferred,
}

/// How many reasons there are.
pub const LOSSES: usize = 5;

impl Loss {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; LOSSES] =
        [Self::RingFull, Self::Recursion, Self::Late, Self::UserQueue, Self::Inferred];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::Recursion => "recursion",
            Self::Late => "late",
            Self::UserQueue => "user_queue",
            Self::Inferred => "inferred",
        }
    }
}

/// Classes of requeue (rule B1); a closed set of label values.
pub const REQUEUE_CLASSES: [&str; 5] =
    ["busy_before_start", "busy_after_start", "retry", "short_transfer", "timeout"];

/// Figures of one operation on one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationFigures {
    /// Lives whose end is known or inferred; those that were merged into another are not in it.
    pub requests: u64,
    /// Those of them that were not seen: others stand for them, while requests are sampled.
    pub extrapolated: u64,
    /// Bytes that these transferred without an error; where an end is inferred, what was left of the
    /// request counts as transferred.
    pub bytes: u64,
    /// Requests that were merged into another one.
    pub merges: u64,
    /// Lives that ended with an error, by [`super::io_error::IoError`].
    pub errors: [u64; IO_ERRORS],
    /// Lives that could not be judged, by [`Unjudged`].
    pub unjudged: [u64; UNJUDGED],
    /// Judged lives that have no sample in a phase, by [`super::phase::Phase`]. Kept for queue, device and total;
    /// retry and flush have samples only where they happened and are always 0 here.
    pub phase_unknown: [u64; PHASES],
    /// Durations, by [`super::phase::Phase`]; allocated at the first sample.
    pub phases: [Option<Histogram>; PHASES],
}

/// Figures of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFigures {
    /// Which device.
    pub id: DeviceId,
    /// Its name; `major:minor` until it is looked up.
    pub name: String,
    /// By [`super::operation::Operation`]; `None` where there was no such request.
    pub operations: [Option<Box<OperationFigures>>; OPERATIONS],
    /// By [`REQUEUE_CLASSES`].
    pub requeues: [u64; 5],
    /// By [`super::kind::Kind`]; every one, repeats included.
    pub mismatches: [u64; KINDS],
    /// Requests in flight at the last census.
    pub in_flight: u64,
    /// First event of the oldest of these: nanoseconds of `CLOCK_MONOTONIC`.
    pub oldest: Option<u64>,
    /// What the kernel's statistics must have counted of the lives that ended.
    pub accounted: Columns,
    /// What they have counted besides, or have not: see [`super::account::Ours::doubtful`].
    pub doubtful: Columns,
    /// When something was last added to either: nanoseconds of `CLOCK_MONOTONIC`.
    pub accounted_last: u64,
    /// Lives that ended and that the kernel's statistics leave out.
    pub unaccounted: u64,
}

impl DeviceFigures {
    /// Counts what the kernel's statistics must have counted when a request ended.
    #[inline]
    pub(super) fn account(&mut self, column: Column, amount: u32, time: u64) {
        self.accounted.add(column, u64::from(amount));
        self.accounted_last = time.max(self.accounted_last);
    }

    /// The same of what they may have counted.
    pub(super) fn doubt(&mut self, column: Column, amount: u32, time: u64) {
        self.doubtful.add(column, u64::from(amount));
        self.accounted_last = time.max(self.accounted_last);
    }
}

impl OperationFigures {
    /// Durations of one phase.
    #[inline]
    pub(super) fn phase(&mut self, phase: Phase) -> &mut Histogram {
        self.phases[phase as usize].get_or_insert_default()
    }
}

/// Books of one probe at the time of the snapshot: attempts = received + lost + those that are missing or
/// on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeFigures {
    /// Records that the programs tried to write: as last read, and as told by later records.
    pub attempts: u64,
    /// Records that the rings refused, in the same way.
    pub lost: u64,
    /// Records that the engine was given.
    pub received: u64,
    /// Those of them that it has passed over, because their requests are not followed.
    pub passed_over: u64,
    /// Runs of the first program that the kernel skipped, when last read.
    pub recursion: u64,
    /// Those of them that the second program made up for, when last read.
    pub second: u64,
    /// Runs of the second program that the kernel skipped, when last read.
    pub second_recursion: u64,
    /// Events that neither told.
    pub unseen: u64,
}

/// Books of one ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingFigures {
    /// Its number.
    pub ring: usize,
    /// Records that came out of it.
    pub received: u64,
    /// Records that it refused.
    pub lost: u64,
}

/// Books of the lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifeFigures {
    /// Lives that began, on any device.
    pub opened: u64,
    /// Ended, and judged consistent or a mismatch.
    pub judged: u64,
    /// Ended by a merge into another request, or as a clone of device mapper that could not be
    /// dispatched: the requests that end without a completion.
    pub merged: u64,
    /// Ended, and unjudged.
    pub unjudged: u64,
    /// Not ended.
    pub open: u64,
    /// Open lives that fell out of the table because it was full.
    pub evicted: u64,
    /// Open lives that were given up because they were no longer followed.
    pub given_up: u64,
    /// Lives of which a record was missing that nobody had counted as lost.
    pub inferred: u64,
    /// Orders of events that neither the kernel nor any loss can explain: bugs of iotruth.
    pub impossible: u64,
    /// Devices that did not fit into the device table; their lives are counted nowhere else.
    pub devices_left_out: u64,
    /// Mismatches that fell out of the log.
    pub mismatches_dropped: u64,
    /// Verdicts that found no room to wait for the counters: unjudged, as if a record were lost.
    pub verdicts_dropped: u64,
}

impl LifeFigures {
    /// Lives that are over, whichever way: opened = these + open.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.judged + self.merged + self.unjudged + self.evicted + self.given_up
    }
}

/// What the engine knows at one moment. Snapshots of several readers add up with [`Snapshot::merge`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub taken: u64,
    /// Whatever happened before this time is in the figures, or counted as lost: nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub complete_until: u64,
    /// Devices that still exist and are not excluded.
    pub devices: BTreeMap<DeviceId, DeviceFigures>,
    /// Devices that have gone for good: readers find that out one after the other, and the figures of
    /// fewer of them would be counters that go back.
    pub gone: Vec<DeviceId>,
    /// Mismatches of all devices that are shown, and that were and have gone; by [`super::kind::Kind`].
    pub mismatches_told: [u64; KINDS],
    /// By [`iotruth_common::probe::Probe`].
    pub probes: [ProbeFigures; PROBES],
    /// The rings in use.
    pub rings: Vec<RingFigures>,
    /// Events that never reached the engine, by [`Loss`].
    pub losses: [u64; LOSSES],
    /// Books of the lives.
    pub lives: LifeFigures,
    /// The log, in order of their ids.
    pub mismatches: Vec<Arc<Mismatch>>,
    /// What was open at the last census.
    pub in_flight: Arc<InFlight>,
}

impl Snapshot {
    /// Events that are known to be lost, by somebody's count.
    #[must_use]
    pub fn counted_losses(&self) -> u64 {
        self.losses.iter().sum::<u64>() - self.losses[Loss::Inferred as usize]
    }

    /// Adds what another reader knows.
    pub fn merge(&mut self, other: &Self) {
        self.taken = self.taken.max(other.taken);
        self.complete_until = self.complete_until.min(other.complete_until);
        for (id, figures) in &other.devices {
            match self.devices.get_mut(id) {
                Some(mine) => mine.merge(figures),
                None => {
                    self.devices.insert(*id, figures.clone());
                }
            }
        }
        self.unite();
        self.gone.extend_from_slice(&other.gone);
        for id in &self.gone {
            self.devices.remove(id);
        }
        for (mine, more) in self.probes.iter_mut().zip(&other.probes) {
            mine.attempts += more.attempts;
            mine.lost += more.lost;
            mine.received += more.received;
            mine.passed_over += more.passed_over;
            // Every reader is told the same numbers, which are not by ring.
            mine.recursion = mine.recursion.max(more.recursion);
            mine.second = mine.second.max(more.second);
            mine.second_recursion = mine.second_recursion.max(more.second_recursion);
            mine.unseen = mine.unseen.max(more.unseen);
        }
        self.rings.extend_from_slice(&other.rings);
        self.rings.sort_unstable_by_key(|figures| figures.ring);
        add(&mut self.mismatches_told, &other.mismatches_told);
        add(&mut self.losses, &other.losses);
        self.losses[Loss::Recursion as usize] =
            self.probes.iter().map(|figures| figures.unseen).sum();
        let (mine, more) = (&mut self.lives, &other.lives);
        mine.opened += more.opened;
        mine.judged += more.judged;
        mine.merged += more.merged;
        mine.unjudged += more.unjudged;
        mine.open += more.open;
        mine.evicted += more.evicted;
        mine.given_up += more.given_up;
        mine.inferred += more.inferred;
        mine.impossible += more.impossible;
        mine.devices_left_out += more.devices_left_out;
        mine.mismatches_dropped += more.mismatches_dropped;
        mine.verdicts_dropped += more.verdicts_dropped;
        self.mismatches.extend(other.mismatches.iter().cloned());
        self.mismatches.sort_unstable_by_key(|mismatch| mismatch.id);
        Arc::make_mut(&mut self.in_flight).merge(&other.in_flight);
    }

    /// Adds what is known of nothing but a number to the one device that has the number: a reader
    /// that has seen only completions of a disk does not know its sequence number.
    fn unite(&mut self) {
        let lone: Vec<DeviceId> =
            self.devices.keys().filter(|id| id.sequence == 0).copied().collect();
        for id in lone {
            let known = DeviceId { sequence: 1, ..id }..=DeviceId { sequence: u64::MAX, ..id };
            let mut known = self.devices.range(known).map(|(known, _)| *known);
            if let (Some(known), None) = (known.next(), known.next())
                && let Some(lone) = self.devices.remove(&id)
                && let Some(known) = self.devices.get_mut(&known)
            {
                known.merge(&lone);
            }
        }
    }
}

impl DeviceFigures {
    fn merge(&mut self, other: &Self) {
        for (mine, more) in self.operations.iter_mut().zip(&other.operations) {
            if let Some(more) = more {
                mine.get_or_insert_default().merge(more);
            }
        }
        add(&mut self.requeues, &other.requeues);
        add(&mut self.mismatches, &other.mismatches);
        self.in_flight += other.in_flight;
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
        self.accounted.add_all(&other.accounted);
        self.doubtful.add_all(&other.doubtful);
        self.accounted_last = self.accounted_last.max(other.accounted_last);
        self.unaccounted += other.unaccounted;
    }
}

impl OperationFigures {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.extrapolated += other.extrapolated;
        self.bytes += other.bytes;
        self.merges += other.merges;
        add(&mut self.errors, &other.errors);
        add(&mut self.unjudged, &other.unjudged);
        add(&mut self.phase_unknown, &other.phase_unknown);
        for (mine, more) in self.phases.iter_mut().zip(&other.phases) {
            if let Some(more) = more {
                mine.get_or_insert_default().merge(more);
            }
        }
    }
}

fn add(mine: &mut [u64], more: &[u64]) {
    for (mine, more) in mine.iter_mut().zip(more) {
        *mine += more;
    }
}
