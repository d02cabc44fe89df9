//! What the kernel's own disk statistics must have counted of the requests that we saw.
//!
//! Each rule here is one of the kernel's, so that what is left between both sides is a request that
//! one of them has not seen:
//!
//! | what | counted by | rule |
//! | --- | --- | --- |
//! | a request that ended | `blk_account_io_done` | once, without the flush commands of a flush sequence |
//! | its sectors | `blk_account_io_completion` | with each completion, failed or not, while it has bios |
//! | a flush command | `blk_account_io_flush` | always, whatever `queue/iostats` says |
//! | a merged bio or request | `blk_account_io_merge_bio`, `_request` | no request of its own |
//! | the end of an empty flush | `blk_flush_complete_seq` | a write of no sectors, beside the flush command |
//! | a clone that was not dispatched | `blk_insert_cloned_request` | once, without sectors, in 6.1 and later, not in 5.10 |
//! | anything without `RQF_IO_STAT` | `blk_do_io_stat` | never |
//! | a passthrough command | `blk_do_io_stat` | never since 6.1; before, like any other request |
//!
//! The kernel counts after the completion was traced, so that at any moment it is behind by the
//! requests that are just ending. To compare at one moment, additions are kept in a log while an
//! audit is under way.

use std::collections::{HashMap, VecDeque};

use iotruth_common::{
    probe::Probe,
    record::{CompleteRecord, RequestRecord},
};

use super::{
    device::DeviceId,
    engine::Engine,
    flavor::Flavor,
    life::{Life, Stage},
    operation::Operation,
    table::{Mark, Occupant},
};

/// What is compared; the columns of `/proc/diskstats` that count requests and sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Column {
    /// Every request whose operation is even, but discards (`op_stat_group`).
    Reads,
    /// Their sectors of 512 bytes.
    SectorsRead,
    /// Every request whose operation is odd: writes, writes of zeroes, secure erases.
    Writes,
    /// Their sectors.
    SectorsWritten,
    /// `REQ_OP_DISCARD`
    Discards,
    /// Their sectors.
    SectorsDiscarded,
    /// Flush commands that the device was sent.
    Flushes,
}

/// How many columns there are.
pub const COLUMNS: usize = 7;

impl Column {
    /// Every column, in the order of their numbers.
    pub const ALL: [Self; COLUMNS] = [
        Self::Reads,
        Self::SectorsRead,
        Self::Writes,
        Self::SectorsWritten,
        Self::Discards,
        Self::SectorsDiscarded,
        Self::Flushes,
    ];

    /// Those that count requests, with the name of their operation.
    pub const REQUESTS: [(Self, &'static str); 4] = [
        (Self::Reads, "read"),
        (Self::Writes, "write"),
        (Self::Discards, "discard"),
        (Self::Flushes, "flush"),
    ];

    /// Those that count sectors, with the name of their operation.
    pub const SECTORS: [(Self, &'static str); 3] = [
        (Self::SectorsRead, "read"),
        (Self::SectorsWritten, "write"),
        (Self::SectorsDiscarded, "discard"),
    ];
}

/// What the statistics count a request as: `op_stat_group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Every request whose operation is even, but discards.
    Read,
    /// Every request whose operation is odd.
    Write,
    /// `REQ_OP_DISCARD`
    Discard,
}

impl Group {
    /// Columns of its requests and of their sectors.
    #[inline]
    pub(super) const fn columns(self) -> (Column, Column) {
        match self {
            Self::Read => (Column::Reads, Column::SectorsRead),
            Self::Write => (Column::Writes, Column::SectorsWritten),
            Self::Discard => (Column::Discards, Column::SectorsDiscarded),
        }
    }
}

/// A number for each column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns(pub [u64; COLUMNS]);

impl Columns {
    /// The number of one column.
    #[must_use]
    pub const fn get(&self, column: Column) -> u64 {
        self.0[column as usize]
    }

    /// Adds to one column.
    pub const fn add(&mut self, column: Column, amount: u64) {
        self.0[column as usize] += amount;
    }

    /// Adds to every column.
    pub fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, more)| *mine += more);
    }
}

/// What we know of a device at an audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// What the kernel must have counted before its statistics were read.
    pub sure: Columns,
    /// What ended before the reading was over.
    pub seen: Columns,
    /// The same, and all that may have ended unseen: the most that the kernel can have counted.
    pub possible: Columns,
    /// What ended unseen, or was merged into something else that is in the others: requests that were not sent to
    /// the driver as far as was seen. The kernel has counted none, some or all of it.
    pub doubtful: Columns,
    /// Clones that may have been dropped without an event, and that the kernel has counted then.
    pub dropped: Columns,
    /// Requests that had not ended, as far as is known.
    pub open: u64,
    /// Those of them that the driver had and `/sys/block/*/inflight` counted, when that was read.
    pub with_driver: u64,
    /// Another number after each loss that is counted; of no device.
    pub lost: u64,
    /// When something was last added: nanoseconds of `CLOCK_MONOTONIC`.
    pub last: u64,
}

impl Ours {
    /// Adds what another reader knows of the same device.
    pub fn merge(&mut self, other: &Self) {
        self.sure.add_all(&other.sure);
        self.seen.add_all(&other.seen);
        self.possible.add_all(&other.possible);
        self.doubtful.add_all(&other.doubtful);
        self.dropped.add_all(&other.dropped);
        self.open += other.open;
        self.with_driver += other.with_driver;
        self.lost += other.lost;
        self.last = self.last.max(other.last);
    }
}

/// Whose requests and losses are that belong to no disk that is audited.
pub const NO_DISK: DeviceId = DeviceId { number: 0, sequence: 0 };

/// From a completion to its accounting: a few instructions, or longer where the task that completes
/// is preempted between them. In nanoseconds.
const BEHIND: u64 = 2_000_000;

/// Most additions that are remembered while an audit is under way.
const LOGGED: usize = 1 << 17;

/// One addition.
#[derive(Clone, Copy, Debug)]
struct Addition {
    time: u64,
    place: u16,
    column: Column,
    /// Whether the end was not seen, so that it came before `time`.
    unseen: bool,
    amount: u32,
}

/// When what is counted has ended.
#[derive(Clone, Copy, Debug)]
enum Ended {
    /// Then.
    At(u64),
    /// Before what is known now.
    Unseen,
}

/// Additions since an audit began; `None` while there is none.
#[derive(Debug, Default)]
pub(super) struct AdditionLog {
    additions: Option<VecDeque<Addition>>,
    /// Time of the newest one that found no room any more.
    dropped: u64,
}

impl AdditionLog {
    /// Whether an audit is under way.
    #[inline]
    pub(super) const fn is_kept(&self) -> bool {
        self.additions.is_some()
    }

    /// Remembers an addition, while an audit is under way.
    pub(super) fn note(
        &mut self,
        time: u64,
        place: u16,
        column: Column,
        amount: u32,
        unseen: bool,
    ) {
        let addition = Addition { time, place, column, unseen, amount };
        if let Some(additions) = &mut self.additions {
            if additions.len() >= LOGGED
                && let Some(oldest) = additions.pop_front()
            {
                self.dropped = self.dropped.max(oldest.time);
            }
            additions.push_back(addition);
        }
    }
}

impl Flavor {
    /// What the statistics count an operation as.
    pub(super) fn group(&self, cmd_flags: u32) -> Group {
        if self.operation(cmd_flags) == Operation::Discard {
            Group::Discard
        } else if cmd_flags & 1 == 0 {
            Group::Read
        } else {
            Group::Write
        }
    }
}

impl Engine {
    /// What an event says of whether the kernel counts its request; `None` where it cannot tell.
    ///
    /// `blk_account_io_start` traces the start before it sets the flag (6.18; in older kernels the
    /// flag was there from the allocation on).
    pub(super) fn says_statistics(&self, probe: Probe, head: &RequestRecord) -> Option<bool> {
        let counted = self.in_statistics(head);
        (counted || probe != Probe::Start).then_some(counted)
    }

    /// Whether this request has the mark of what the kernel counts in the statistics of its disk.
    fn in_statistics(&self, head: &RequestRecord) -> bool {
        // `blk_do_io_stat` looked at nothing but the flag and the disk as long as completions were
        // traced with an errno. In 7.3 the flag itself is not set for what is not counted
        // (`blk_account_io_start`).
        let passthrough = self.flavor.passthrough(head.cmd_flags);
        head.rq_flags & self.flavor.rqf.io_stat != 0
            && (!passthrough || (self.flavor.status_is_errno && head.device != 0))
    }

    /// Counts what ends with a completion, and bytes of which the completion was not seen.
    pub(super) fn account_part(&mut self, record: &CompleteRecord, life: &mut Life, unseen: u32) {
        let head = &record.request;
        life.learn_statistics(self.says_statistics(Probe::Complete, head));
        let flush = self.flavor.operation(head.cmd_flags) == Operation::Flush;
        life.flush_sequence |= flush && head.rq_flags & self.flavor.rqf.flush_seq != 0;
        // Without a bio `blk_update_request` returns before it accounts.
        if record.without_bio == 0 {
            self.account_sectors(life, record.bytes, false);
        }
        if unseen > 0 {
            self.account_sectors(life, unseen, true);
        }
    }

    /// Counts bytes that ended, in whole sectors as each completion is counted.
    pub(super) fn account_sectors(&mut self, life: &Life, bytes: u32, unseen: bool) {
        if bytes >> 9 > 0 && is_counted(&self.flavor, life) {
            let (_, sectors) = self.flavor.group(life.cmd_flags).columns();
            self.account(life.device, sectors, bytes >> 9, Self::ended(life, unseen));
        }
    }

    /// Counts a request that ended.
    pub(super) fn account_end(&mut self, life: &Life, unseen: bool) {
        let flush = self.flavor.operation(life.cmd_flags) == Operation::Flush;
        let ended = Self::ended(life, unseen);
        if flush && life.flush_sequence {
            self.account(life.device, Column::Flushes, 1, ended);
        } else if is_counted(&self.flavor, life) {
            // A flush that device mapper cloned is here, and a read to `op_stat_group`.
            let (requests, _) = self.flavor.group(life.cmd_flags).columns();
            self.account(life.device, requests, 1, ended);
        } else if let Some(device) = self.devices.get_mut(life.device) {
            device.figures.unaccounted += 1;
        }
    }

    /// Counts a life whose end was not seen.
    pub(super) fn account_unseen(&mut self, life: &Life) {
        if self.may_be_merged(life)
            && let Some(device) = self.devices.get_mut(life.device)
        {
            let (requests, sectors) = self.flavor.group(life.cmd_flags).columns();
            device.figures.doubt(requests, 1, self.newest);
            device.figures.doubt(sectors, life.remaining >> 9, self.newest);
        } else {
            self.account_sectors(life, life.remaining, true);
            self.account_end(life, true);
        }
    }

    /// Whether a life whose end was not seen, and that the kernel counts, may have been merged into another one, of
    /// which the event was lost: it has a scheduler (without one, a request has its tag from the beginning) and was
    /// not seen to be sent.
    fn may_be_merged(&self, life: &Life) -> bool {
        let waits = matches!(life.stage, Stage::Started | Stage::Queued | Stage::Requeued);
        let scheduled = life.tag < 0 || life.first_issue.has_come();
        let operation = self.flavor.operation(life.cmd_flags);
        waits
            && scheduled
            && is_counted(&self.flavor, life)
            && !life.flush_sequence
            && matches!(operation, Operation::Read | Operation::Write | Operation::Discard)
    }

    /// Counts a clone that device mapper could not dispatch: where completions are traced with a
    /// `blk_status_t`, `blk_insert_cloned_request` accounts for its end.
    pub(super) fn account_dropped_clone(&mut self, clone: Mark) {
        if !self.flavor.status_is_errno {
            let (requests, _) = clone.group.columns();
            self.account(clone.device, requests, 1, Ended::Unseen);
        }
    }

    const fn ended(life: &Life, unseen: bool) -> Ended {
        if unseen { Ended::Unseen } else { Ended::At(life.last) }
    }

    fn account(&mut self, place: u16, column: Column, amount: u32, ended: Ended) {
        let (time, unseen) = match ended {
            Ended::At(time) => (time, false),
            Ended::Unseen => (self.newest, true),
        };
        let Some(device) = self.devices.get_mut(place) else { return };
        device.figures.account(column, amount, time);
        self.additions.note(time, place, column, amount, unseen);
    }

    /// Begins an audit: from now on it is remembered when what was counted.
    pub fn begin_audit(&mut self) {
        self.additions = AdditionLog { additions: Some(VecDeque::new()), dropped: 0 };
    }

    /// Ends an audit: what was counted of each device when the kernel's statistics were read,
    /// between `begin` and `end`; what its driver has was read after `looked`. Every record that was written
    /// before `end` must have been taken.
    ///
    /// `None` where more happened meanwhile than can be remembered, or no audit was begun.
    pub fn end_audit(
        &mut self,
        looked: u64,
        begin: u64,
        end: u64,
    ) -> Option<Vec<(DeviceId, Ours)>> {
        let AdditionLog { additions, dropped } = std::mem::take(&mut self.additions);
        let additions = additions?;
        let settled = begin.saturating_sub(BEHIND);
        if dropped > settled {
            return None;
        }
        let mut audited: HashMap<u16, (DeviceId, Ours)> = HashMap::new();
        for (place, device) in self.devices.followed() {
            let figures = &device.figures;
            let all = figures.accounted;
            let last = figures.accounted_last;
            let doubtful = figures.doubtful;
            let ours =
                Ours { sure: all, seen: all, possible: all, doubtful, last, ..Ours::default() };
            audited.insert(place, (device.id, ours));
        }
        for addition in additions {
            let Some((_, ours)) = audited.get_mut(&addition.place) else { continue };
            let place = addition.column as usize;
            let take = |columns: &mut Columns| {
                columns.0[place] = columns.0[place].saturating_sub(u64::from(addition.amount));
            };
            if addition.time > settled {
                take(&mut ours.sure);
            }
            if addition.time > end {
                take(&mut ours.seen);
                if !addition.unseen {
                    take(&mut ours.possible);
                }
            }
        }
        // Up to 5.15 the kernel counts all that the driver has of a queue, and of passthrough the events do not
        // name the disk.
        let (all, mut nobodys) = (self.flavor.status_is_errno, 0);
        for (_, address) in self.table.iter_mut() {
            let (device, remaining, with_driver) = match &address.open {
                Occupant::Nobody => {
                    // Nothing tells of one that was dropped before its address is used again.
                    if let Some(clone) = address.clone.filter(|_| !all)
                        && let Some((_, ours)) = audited.get_mut(&clone.device)
                    {
                        ours.dropped.add(clone.group.columns().0, 1);
                    }
                    continue;
                }
                // What was sent later may not have been in that count.
                Occupant::Plain(plain) => {
                    let issued = plain.path.is_issued() && address.last < looked;
                    (plain.device, plain.length, issued)
                }
                Occupant::Whole(life) => {
                    let counted = all || is_counted(&self.flavor, life);
                    let issued = life.stage == Stage::Issued
                        && !life.kept
                        && life.last_issue.get().is_some_and(|issue| issue < looked);
                    (life.device, life.remaining, counted && issued)
                }
            };
            if let Some((_, ours)) = audited.get_mut(&device) {
                may_have_ended(ours, remaining);
                ours.with_driver += u64::from(with_driver);
            } else if all {
                nobodys += u64::from(with_driver);
            }
        }
        let mut audited: Vec<_> = audited.into_values().collect();
        let lost = self.losses_known();
        audited.push((NO_DISK, Ours { with_driver: nobodys, lost, ..Ours::default() }));
        Some(audited)
    }
}

/// Whether the kernel counts a request. One of which nothing but the start was seen, such as a flush without
/// data whose end was not, is counted where anything is: disks that count nothing are not compared.
fn is_counted(flavor: &Flavor, life: &Life) -> bool {
    life.io_stat.unwrap_or_else(|| !flavor.passthrough(life.cmd_flags))
}

/// A life that is open may have ended without our seeing it, as whatever it is to the statistics.
fn may_have_ended(ours: &mut Ours, remaining: u32) {
    let sectors = u64::from(remaining >> 9);
    ours.open += 1;
    for (requests, bytes) in [
        (Column::Reads, Column::SectorsRead),
        (Column::Writes, Column::SectorsWritten),
        (Column::Discards, Column::SectorsDiscarded),
    ] {
        ours.possible.add(requests, 1);
        ours.possible.add(bytes, sectors);
    }
    ours.possible.add(Column::Flushes, 1);
}
