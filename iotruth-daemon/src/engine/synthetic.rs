//! A little block layer for tests: it writes the records that the kernel would write.

use std::collections::HashMap;

use bytemuck::Zeroable;
use iotruth_common::{
    counters::MAX_RINGS,
    probe::{PROBES, Probe},
    record::{
        CompleteRecord, RequestRecord, STATE_COMPLETE, STATE_IDLE, STATE_IN_FLIGHT, SubmitRecord,
    },
};

use super::{
    Audit, Engine, EngineConfig, Policy,
    account::{Column, Columns},
    device::DeviceId,
    flavor::Flavor,
};

/// When the programs were attached.
pub(super) const ATTACHED: u64 = 1_000_000_000;

/// The device of every request, unless a test says otherwise.
pub(super) const DISK: DeviceId = DeviceId { number: 7 << 20, sequence: 3 };

/// A request of the little block layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) address: u64,
    pub(super) cmd_flags: u32,
    pub(super) rq_flags: u32,
    pub(super) sector: u64,
    pub(super) len: u32,
    pub(super) state: u8,
    pub(super) allocated: u64,
    pub(super) bio: bool,
    pub(super) worker: bool,
    /// Whether its end was accounted for.
    pub(super) ended: bool,
}

/// For which requests `block_io_start` is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    /// For all.
    All,
    /// For those with flush flags, and for operations other than read and write.
    Flagged,
    /// The kernel is older than 6.5.
    None,
}

/// Writes records into an engine; the clock is moved by the test.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) engine: Engine,
    pub(super) now: u64,
    /// Records that are about to be refused by the ring.
    pub(super) refuse: u32,
    /// Records that are about to pass unseen, as on a thread of PID 1.
    pub(super) hide: u32,
    /// Where the next events happen.
    pub(super) cpu: u16,
    /// The hardware queue of the next requests.
    pub(super) hardware_queue: u16,
    /// The ring of that hardware queue.
    pub(super) ring: usize,
    starts: Starts,
    attempts: HashMap<(u16, usize, usize), u64>,
    refused: [[u64; MAX_RINGS]; PROBES],
    recursion: u64,
    /// The statistics of the disk, counted as the kernel does it.
    pub(super) statistics: Columns,
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self::with(Starts::All)
    }

    pub(super) fn with(starts: Starts) -> Self {
        let engine = Engine::new(EngineConfig {
            flavor: Flavor::linux_6_12(),
            attached: ATTACHED,
            starts_traced: starts != Starts::None,
            rings: vec![0, 1],
            index: 0,
            engines: 1,
        });
        Self {
            engine,
            now: ATTACHED + 1_000_000_000,
            refuse: 0,
            hide: 0,
            cpu: 0,
            hardware_queue: 0,
            ring: 0,
            starts,
            attempts: HashMap::new(),
            refused: [[0; MAX_RINGS]; PROBES],
            recursion: 0,
            statistics: Columns::default(),
        }
    }

    /// A request that is allocated now.
    pub(super) fn allocate(&self, address: u64, cmd_flags: u32, sector: u64, len: u32) -> Request {
        Request {
            address,
            cmd_flags,
            rq_flags: Flavor::linux_6_12().rqf.io_stat,
            sector,
            len,
            state: STATE_IDLE,
            allocated: self.now,
            bio: true,
            worker: false,
            ended: false,
        }
    }

    pub(super) fn after(&mut self, nanoseconds: u64) -> &mut Self {
        self.now += nanoseconds;
        self
    }

    pub(super) fn submit(&mut self, probe: Probe, rq: &mut Request) {
        let mut record = SubmitRecord::zeroed();
        record.diskseq = DISK.sequence;
        record.start_time = rq.allocated;
        record.comm.copy_from_slice(if rq.worker {
            b"kworker/0:1\0\0\0\0\0"
        } else {
            b"fio\0\0\0\0\0\0\0\0\0\0\0\0\0"
        });
        record.pid = 42;
        record.tgid = 42;
        record.task_flags = if rq.worker { 0x20 } else { 0x40 };
        record.cgroup = 77;
        record.hardware_queue = self.hardware_queue;
        let Some(head) = self.head(probe, rq) else {
            Self::moved(probe, rq);
            return;
        };
        record.request = head;
        Self::moved(probe, rq);
        self.engine.record(self.ring, bytemuck::bytes_of(&record));
    }

    fn moved(probe: Probe, rq: &mut Request) {
        if probe == Probe::Issue {
            rq.state = STATE_IN_FLIGHT;
        }
    }

    /// Start, where it is traced.
    pub(super) fn start(&mut self, rq: &mut Request) {
        let req = Flavor::linux_6_12().req;
        let flagged = rq.cmd_flags as u8 > 1 || rq.cmd_flags & (req.preflush | req.fua) != 0;
        let traced = match self.starts {
            Starts::All => true,
            Starts::Flagged => flagged,
            Starts::None => false,
        };
        if traced {
            self.submit(Probe::Start, rq);
        }
    }

    /// Insert.
    pub(super) fn insert(&mut self, rq: &mut Request) {
        self.submit(Probe::Insert, rq);
    }

    /// Issue.
    pub(super) fn issue(&mut self, rq: &mut Request) {
        self.submit(Probe::Issue, rq);
    }

    /// The device gives the request back, and `bytes` of it end with `status`.
    pub(super) fn complete(&mut self, rq: &mut Request, bytes: u32, status: i32) {
        if rq.state == STATE_IN_FLIGHT {
            rq.state = STATE_COMPLETE;
        }
        let mut record = CompleteRecord::zeroed();
        record.bytes = bytes;
        record.status = status;
        record.without_bio = u32::from(!rq.bio);
        if let Some(head) = self.head(Probe::Complete, rq) {
            record.request = head;
            self.engine.record(self.ring, bytemuck::bytes_of(&record));
        }
        self.account(rq, bytes);
        rq.len = rq.len.saturating_sub(bytes);
        rq.sector = rq.sector.wrapping_add(u64::from(bytes >> 9));
        if rq.len == 0 {
            rq.bio = false;
        }
    }

    /// `blk_account_io_completion`, `blk_account_io_done` and `blk_account_io_flush`.
    fn account(&mut self, rq: &mut Request, bytes: u32) {
        let flavor = Flavor::linux_6_12();
        let counted = rq.rq_flags & flavor.rqf.io_stat != 0 && !flavor.passthrough(rq.cmd_flags);
        let (requests, sectors) = match rq.cmd_flags as u8 {
            3 => (Column::Discards, Column::SectorsDiscarded),
            even if even % 2 == 0 => (Column::Reads, Column::SectorsRead),
            _ => (Column::Writes, Column::SectorsWritten),
        };
        if rq.bio && counted {
            self.statistics.add(sectors, u64::from(bytes >> 9));
        }
        let sequenced = rq.rq_flags & flavor.rqf.flush_seq != 0;
        if rq.bio && bytes < rq.len {
            // Not the end.
        } else if rq.cmd_flags as u8 == 2 && sequenced {
            self.statistics.add(Column::Flushes, 1);
        } else if counted && !sequenced && !std::mem::replace(&mut rq.ended, true) {
            self.statistics.add(requests, 1);
        }
    }

    /// `blk_insert_cloned_request` could not dispatch a clone and accounts for its end.
    pub(super) fn drop_clone(&mut self, rq: &Request) {
        let requests = if rq.cmd_flags & 1 == 0 { Column::Reads } else { Column::Writes };
        self.statistics.add(requests, 1);
    }

    /// Requeue, merge or remap.
    pub(super) fn plain(&mut self, probe: Probe, rq: &mut Request) {
        if let Some(head) = self.head(probe, rq) {
            self.engine.record(self.ring, bytemuck::bytes_of(&head));
        }
        if probe == Probe::Requeue {
            rq.state = STATE_IDLE;
        }
    }

    /// A whole ordinary request.
    pub(super) fn ordinary(&mut self, address: u64, cmd_flags: u32, sector: u64, inserted: bool) {
        let mut rq = self.allocate(address, cmd_flags, sector, 4096);
        if inserted {
            self.after(1_000).insert(&mut rq);
        }
        self.after(2_000).issue(&mut rq);
        self.after(30_000).complete(&mut rq, 4096, 0);
    }

    /// Nested programs were skipped this often.
    pub(super) fn skip(&mut self, runs: u64) {
        self.recursion += runs;
    }

    /// The counters are read, as the reader does it every tenth of a second.
    pub(super) fn audit(&mut self) {
        self.now += 1;
        let mut audit = Audit { read: self.now, ..Audit::default() };
        for probe in 0..PROBES {
            audit.lost[probe] = self.refused[probe];
        }
        for ((_, probe, ring), attempts) in &self.attempts {
            audit.attempts[*probe][*ring] += attempts;
        }
        audit.recursion[0] = self.recursion;
        self.engine.audit(audit);
        for id in self.engine.take_unnamed() {
            self.engine.name_device(id, "disk", Policy::Follow);
        }
    }

    fn head(&mut self, probe: Probe, rq: &Request) -> Option<RequestRecord> {
        if self.hide > 0 {
            self.hide -= 1;
            return None;
        }
        let attempts = self.attempts.entry((self.cpu, probe as usize, self.ring)).or_default();
        *attempts += 1;
        if self.refuse > 0 {
            self.refuse -= 1;
            self.refused[probe as usize][self.ring] += 1;
            return None;
        }
        Some(RequestRecord {
            time: self.now,
            request: rq.address,
            queue: 0x1000,
            sector: rq.sector,
            attempt: *attempts as u32,
            ring_lost: self.refused.iter().map(|row| row[self.ring]).sum::<u64>() as u32,
            device: DISK.number,
            data_len: rq.len,
            cmd_flags: rq.cmd_flags,
            rq_flags: rq.rq_flags,
            tag: 1,
            cpu: self.cpu,
            probe: probe as u8,
            state: rq.state,
        })
    }
}
