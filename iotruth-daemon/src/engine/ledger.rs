//! The ledger: what we counted of each device against the kernel's own disk statistics.
//!
//! Neither side stands still while the other is read, so an audit knows not one difference but a
//! range that it lies in: at least what the kernel must have counted already ([`Ours::sure`]), at most
//! what may have ended at all ([`Ours::possible`]). Where a device is at rest, both are the same.
//! Between two audits the difference must stay what it was; how far it has drifted away, by no less
//! than the ranges prove, is what one side has and the other has not.

use std::collections::{BTreeMap, VecDeque};

use self::balance::{Balance, range};
use super::{
    account::{COLUMNS, Column, Columns, NO_DISK, Ours},
    device::DeviceId,
};

/// A device is at rest where nothing was counted for so long, in nanoseconds, and nothing is open.
const REST: u64 = 100_000_000;

/// Most audits that the coverage of a device that is never at rest looks back.
const LOOK_BACK: usize = 6;

/// The kernel's statistics, read at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Just before: nanoseconds of `CLOCK_MONOTONIC`.
    pub begin: u64,
    /// Just after.
    pub end: u64,
    /// Every disk that is watched.
    pub disks: Vec<DiskReading>,
}

/// The statistics of one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskReading {
    /// Which disk.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Which object of the kernel it is: the same for devices that came one after the other on one
    /// number and share its counters, as loop devices do.
    pub object: u64,
    /// Its line in `/proc/diskstats`.
    pub columns: Columns,
    /// Requests that the kernel has begun to count and that have not ended; since 6.10 without those to
    /// partitions.
    pub in_flight: u64,
    /// Requests that the driver had a moment before, by `/sys/block/*/inflight`.
    pub with_driver: u64,
    /// Why its figures say nothing about requests; `None` where they do.
    pub incomparable: Option<Incomparable>,
}

/// Why the statistics of a disk cannot be compared with requests; a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomparable {
    /// It is built on bios: `bdev_start_io_acct` counts them, and there are no requests.
    BioBased,
    /// `queue/iostats` is 0: `blk_account_io_start` counts nothing.
    StatisticsOff,
    /// `queue/iostats_passthrough` is 1, and who asks for that is not in our records.
    PassthroughCounted,
}

/// Why a device has no coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// There is nothing to compare.
    Incomparable(Incomparable),
    /// Its first audit has been and the next one has not.
    FirstInterval,
}

impl Absent {
    /// The reason as a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Incomparable(Incomparable::BioBased) => {
                "it is built on bios and has no requests; the disks below it have them"
            }
            Self::Incomparable(Incomparable::StatisticsOff) => {
                "the kernel does not count: queue/iostats is 0"
            }
            Self::Incomparable(Incomparable::PassthroughCounted) => {
                "the kernel counts passthrough commands too: queue/iostats_passthrough is 1"
            }
            Self::FirstInterval => "the first audit interval is not over",
        }
    }
}

/// What the ledger says of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceAudit {
    /// Its name.
    pub name: String,
    /// Whether we have ever seen a request of it.
    pub seen: bool,
    /// What the kernel has counted since the baseline.
    pub kernel: Columns,
    /// What we have counted since the baseline.
    pub ours: Columns,
    /// How much more (or, negative, less) than the kernel we have counted, by no less than the
    /// audits prove; persistent over two audits or seen at rest.
    pub residue: [i64; COLUMNS],
    /// Requests in flight by the kernel's own count: its statistics', or the driver's where that is more.
    pub in_flight: u64,
    /// Requests that are open here.
    pub open: u64,
    /// Requests in flight of which no event was seen: they began before the programs were attached or before
    /// every request was followed again, wait where no event tells of it (a driver that has no room tells none),
    /// or their events were lost. So many there are for certain, which is known only where nothing ended between
    /// the last two audits.
    pub not_seen: u64,
    /// So many of these there are at most; `None` where the kernel does not count.
    pub not_seen_at_most: Option<u64>,
    /// Whether it was at rest at the last audit, so that the figures are exact.
    pub at_rest: bool,
    /// How many audits there were since the baseline.
    pub audits: u64,
    /// Requests that we accounted for, of each that the kernel counted.
    pub coverage: Result<f64, Absent>,
}

/// The books of every device.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    devices: BTreeMap<DeviceId, Books>,
    /// What had lasted of the differences of disks that cannot be compared at the moment, or while not
    /// every request is seen.
    past: BTreeMap<DeviceId, [i128; COLUMNS]>,
    /// The counters of the last reading, by the kernel's object.
    read: BTreeMap<u64, Columns>,
    /// The highest sequence number of all readings.
    newest: u64,
    /// See [`Ours::lost`], at the last audit.
    lost: u64,
    shown: BTreeMap<DeviceId, DeviceAudit>,
}

impl Ledger {
    /// Takes the statistics from before the programs were attached, and from after.
    ///
    /// What the kernel counted between the two was seen in part, so that the difference of both sides
    /// is known no better than that.
    pub fn attached(&mut self, before: &Reading, after: &Reading) {
        for disk in after.disks.iter().filter(|disk| disk.incomparable.is_none()) {
            let earlier = before.disks.iter().find(|earlier| earlier.id == disk.id);
            if let Some(earlier) = earlier.filter(|earlier| earlier.incomparable.is_none()) {
                self.devices.insert(disk.id, Books::attached(&earlier.columns, &disk.columns));
            }
        }
        self.remember(after);
    }

    /// Takes the statistics of devices that have come since the last reading, so that what is lost of
    /// them before their first audit is seen: they began with no less than their object had counted
    /// then, and with no more than now.
    ///
    /// Sequence numbers grow with each device, so a higher one is new for certain.
    pub fn meet(&mut self, reading: &Reading) {
        let comparable = reading.disks.iter().filter(|disk| disk.incomparable.is_none());
        for disk in comparable.filter(|disk| disk.id.sequence > self.newest) {
            let before = self.read.get(&disk.object).copied().unwrap_or_default();
            if before.0.iter().zip(disk.columns.0).all(|(before, now)| *before <= now) {
                self.devices.insert(disk.id, Books::attached(&before, &disk.columns));
            }
        }
        self.remember(reading);
    }

    /// Not every request is seen from now on. What has lasted stays, and all else begins anew with the next
    /// audit, when every one is seen again.
    pub fn pause(&mut self) {
        let lasted = std::mem::take(&mut self.devices);
        self.past.extend(lasted.into_iter().map(|(id, books)| (id, books.residue())));
        self.shown.clear();
    }

    fn remember(&mut self, reading: &Reading) {
        self.read = reading.disks.iter().map(|disk| (disk.object, disk.columns)).collect();
        let sequences = reading.disks.iter().map(|disk| disk.id.sequence);
        self.newest = sequences.chain([self.newest]).max().unwrap_or_default();
    }

    /// Compares both sides. `ours` is what was counted when the reading was made.
    pub fn audit(&mut self, reading: &Reading, ours: &BTreeMap<DeviceId, Ours>) {
        let mut before = std::mem::take(&mut self.devices);
        let mut past = std::mem::take(&mut self.past);
        self.shown.clear();
        let nobody = ours.get(&NO_DISK).copied().unwrap_or_default();
        let (nobodys, lost) = (nobody.with_driver, nobody.lost != self.lost);
        self.lost = nobody.lost;
        for disk in &reading.disks {
            // Kernels before 5.15 have no sequence numbers, nor has a disk in a reader that has seen
            // nothing of it but completions, while another one knows more.
            let unsequenced = DeviceId { sequence: 0, ..disk.id };
            let ids = [Some(disk.id), Some(unsequenced).filter(|id| *id != disk.id)];
            let mut own = Ours::default();
            let mut seen = false;
            for part in ids.iter().flatten().filter_map(|id| ours.get(id)) {
                own.merge(part);
                seen = true;
            }
            let mut shown = DeviceAudit {
                name: disk.name.clone(),
                seen,
                kernel: Columns::default(),
                ours: own.seen,
                residue: [0; COLUMNS],
                in_flight: disk.in_flight.max(disk.with_driver),
                open: own.open,
                not_seen: 0,
                not_seen_at_most: None,
                at_rest: false,
                audits: 0,
                coverage: Err(Absent::FirstInterval),
            };
            if let Some(why) = disk.incomparable {
                // What has lasted stays, for as long as the disk does.
                let before = before.remove(&disk.id).map(|books| books.residue());
                let lasted = before.or_else(|| past.remove(&disk.id)).unwrap_or_default();
                shown.residue = narrow(lasted);
                self.past.insert(disk.id, lasted);
                shown.not_seen_at_most = (why == Incomparable::BioBased).then_some(0);
                shown.coverage = Err(Absent::Incomparable(why));
            } else {
                let rest = shown.in_flight == 0
                    && own.open == 0
                    && own.sure == own.possible
                    && own.last.saturating_add(REST) <= reading.begin;
                // What belongs to no disk may be of this one.
                let beyond = [own.with_driver + nobodys, own.with_driver]
                    .map(|known| disk.with_driver.saturating_sub(known));
                let books = before.remove(&disk.id).filter(|books| books.goes_on(&disk.columns));
                let books = match books {
                    Some(mut books) => {
                        books.look_for_unseen(disk, beyond, lost);
                        books.audit(&disk.columns, &own, rest);
                        books
                    }
                    None => Books {
                        beyond: Some(beyond),
                        past: past.remove(&disk.id).unwrap_or_default(),
                        ..Books::begun(&disk.columns, &own, rest)
                    },
                };
                books.show(&mut shown);
                self.devices.insert(disk.id, books);
            }
            self.shown.insert(disk.id, shown);
        }
        self.remember(reading);
    }

    /// What the last audit found.
    #[must_use]
    pub const fn audited(&self) -> &BTreeMap<DeviceId, DeviceAudit> {
        &self.shown
    }
}

/// The books of one device.
#[derive(Clone, Debug)]
struct Books {
    columns: [Balance; COLUMNS],
    /// Residues from before these books, which began when the statistics were on again.
    past: [i128; COLUMNS],
    kernel: Columns,
    ours: Columns,
    at_rest: bool,
    audits: u64,
    /// Requests that the driver had at the last audit, beyond those that it had by their events: the least and
    /// the most. `None` before the first one.
    beyond: Option<[u64; 2]>,
    /// See [`DeviceAudit::not_seen`].
    not_seen: u64,
    /// See [`DeviceAudit::not_seen_at_most`].
    not_seen_at_most: u64,
    history: VecDeque<Audited>,
}

/// One audit of the past.
#[derive(Clone, Copy, Debug)]
struct Audited {
    requests: u64,
    drift: i128,
    at_rest: bool,
}

impl Books {
    /// For a device that was there while the programs were attached; nothing was seen before.
    fn attached(before: &Columns, after: &Columns) -> Self {
        let range = |column: usize| (-i128::from(after.0[column]), -i128::from(before.0[column]));
        Self::new(after, range, before == after, &Ours::default())
    }

    /// For a device that came later, as it is at its first audit.
    fn begun(kernel: &Columns, ours: &Ours, rest: bool) -> Self {
        let range = |column: usize| {
            let (low, high) = range(kernel, ours, column);
            // A task that is preempted while it completes is behind for longer than most.
            (if rest { low } else { low - (high - low) }, high)
        };
        Self::new(kernel, range, rest, ours)
    }

    fn new(
        kernel: &Columns,
        range: impl Fn(usize) -> (i128, i128),
        at_rest: bool,
        ours: &Ours,
    ) -> Self {
        let mut books = Self {
            columns: std::array::from_fn(|column| {
                Balance::begun(range(column), ours.doubtful.0[column])
            }),
            past: [0; COLUMNS],
            kernel: *kernel,
            ours: ours.seen,
            at_rest,
            audits: 0,
            beyond: None,
            not_seen: 0,
            not_seen_at_most: u64::MAX,
            history: VecDeque::new(),
        };
        books.remember();
        books
    }

    /// Whether the kernel's counters have gone on: those of a disk that was deleted begin anew
    /// (`del_gendisk`), and before 5.15 nothing else tells the next one of its number apart.
    fn goes_on(&self, kernel: &Columns) -> bool {
        self.kernel.0.iter().zip(kernel.0).all(|(before, now)| *before <= now)
    }

    /// Looks for requests that the driver has and of which nothing was seen, where it has so many beyond those of
    /// which there are events. `lost` says whether any were lost since the last audit.
    ///
    /// What ended between the two counts is in the driver's alone, and so is what was just sent, so it is never
    /// less than those. Where nothing ends from one audit to the next, what was just sent is known by the second.
    /// And there are no more of them than there ever were, unless events were lost.
    fn look_for_unseen(&mut self, disk: &DiskReading, beyond: [u64; 2], lost: bool) {
        let [least_before, most_before] = self.beyond.unwrap_or(beyond);
        let [least, most] = beyond;
        let nothing_ended = self.beyond.is_some() && disk.columns == self.kernel;
        self.not_seen = if nothing_ended { least.min(least_before) } else { 0 };
        self.not_seen_at_most = match (lost, nothing_ended) {
            (true, _) => most,
            (false, true) => most.min(most_before),
            (false, false) => most.min(most_before).min(self.not_seen_at_most),
        };
        self.beyond = Some(beyond);
    }

    fn audit(&mut self, kernel: &Columns, ours: &Ours, rest: bool) {
        for (column, balance) in self.columns.iter_mut().enumerate() {
            balance.audit(range(kernel, ours, column), ours.doubtful.0[column], rest);
        }
        self.kernel = *kernel;
        self.ours = ours.seen;
        self.at_rest = rest;
        self.audits += 1;
        self.remember();
    }

    fn remember(&mut self) {
        if self.history.len() > LOOK_BACK {
            self.history.pop_front();
        }
        let (mut requests, mut drift) = (0_u64, 0);
        for (column, _) in Column::REQUESTS {
            requests = requests.wrapping_add(self.kernel.get(column));
            drift += self.columns[column as usize].drift();
        }
        self.history.push_back(Audited { requests, drift, at_rest: self.at_rest });
    }

    /// Of the requests since the device was last at rest, or as far back as is remembered.
    fn coverage(&self) -> Result<f64, Absent> {
        let mut past = self.history.iter().rev();
        let (Some(now), true) = (past.next(), self.audits > 0) else {
            return Err(Absent::FirstInterval);
        };
        let mut since = now;
        for earlier in past {
            since = earlier;
            if earlier.at_rest {
                break;
            }
        }
        let kernel = now.requests.wrapping_sub(since.requests);
        let accounted = (i128::from(kernel) + now.drift - since.drift).max(0);
        Ok(if accounted == i128::from(kernel) {
            1.0
        } else {
            accounted as f64 / kernel.max(1) as f64
        })
    }

    /// All that has lasted.
    fn residue(&self) -> [i128; COLUMNS] {
        std::array::from_fn(|column| self.past[column] + self.columns[column].residue())
    }

    fn show(&self, shown: &mut DeviceAudit) {
        shown.kernel = Columns(std::array::from_fn(|column| {
            let since = i128::from(self.kernel.0[column]) + self.columns[column].base();
            u64::try_from(since.max(0)).unwrap_or(u64::MAX)
        }));
        for (ours, balance) in shown.ours.0.iter_mut().zip(&self.columns) {
            *ours += balance.counted();
        }
        shown.residue = narrow(self.residue());
        shown.at_rest = self.at_rest;
        shown.not_seen = self.not_seen;
        shown.not_seen_at_most = self.beyond.map(|[_, most]| most.min(self.not_seen_at_most));
        shown.audits = self.audits;
        shown.coverage = self.coverage();
    }
}

fn narrow(wide: [i128; COLUMNS]) -> [i64; COLUMNS] {
    wide.map(|one| i64::try_from(one).unwrap_or(if one < 0 { i64::MIN } else { i64::MAX }))
}

mod balance;
#[cfg(test)]
mod tests;
