//! A little block layer for tests: it writes the records that the kernel would write.

use std::collections::{HashMap, VecDeque};

use bytemuck::Zeroable;
use iotruth_common::{
    counters::MAX_RINGS,
    layout::Layout,
    probe::{PROBES, Probe, Program},
    record::{
        CompleteRecord, RequestRecord, STATE_COMPLETE, STATE_IDLE, STATE_IN_FLIGHT, SubmitRecord,
    },
};

mod marks;
mod telling;
mod twin;

use marks::Marks;
pub(super) use marks::Skip;
pub(super) use telling::Counters;
use telling::Written;
use twin::Twin;

use super::{
    Engine, EngineConfig, Input, Limits, Starts,
    account::{Column, Columns},
    device::DeviceId,
    flavor::Flavor,
    sample::Sample,
};

/// When the programs were attached.
pub(super) const ATTACHED: u64 = 1_000_000_000;

/// The first moment of every stream.
pub(super) const BEGIN: u64 = ATTACHED + 1_000_000_000;

/// The device of every request, unless a test says otherwise.
pub(super) const DISK: DeviceId = DeviceId { number: 7 << 20, sequence: 3 };

/// The queue of every request, unless a test says otherwise.
pub(super) const QUEUE: u64 = 0x1000;

/// What the engine is told of patience.
pub(super) const LIMITS: Limits =
    Limits { stuck_after: 5_000_000_000, slow_flush_after: 1_000_000_000 };

/// The length of a tick.
pub(super) const TICK: u64 = 4_000_000;

/// What a queue gives its driver for a request, unless somebody says otherwise: 30 s in ticks.
pub(super) const TIMEOUT: u32 = 7_500;

/// Where the fields of a request are in the memory of the little block layer.
fn layout() -> Layout {
    Layout {
        request_queue: 0,
        request_cmd_flags: 8,
        request_tag: 12,
        request_data_len: 16,
        request_references: 20,
        request_sector: 24,
        request_start_time: 32,
        request_state: 40,
        request_timeout: 44,
        request_deadline: 48,
        ..Layout::zeroed()
    }
}

/// What the engine is told once.
fn config(starts: Starts, attached: u64, second_programs: bool) -> EngineConfig {
    EngineConfig {
        flavor: Flavor::linux_6_12(),
        layout: layout(),
        limits: LIMITS,
        attached,
        tick: Some(TICK),
        starts,
        second_programs,
        rings: (0..4).collect(),
        index: 0,
        engines: 1,
    }
}

/// A request of the little block layer.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
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
    pub(super) tag: i32,
    /// In ticks; 0 until it is issued.
    pub(super) timeout: u32,
    /// In ticks; each issue sets it.
    pub(super) deadline: u64,
    /// The driver ends it without `blk_mq_complete_request`, so it never is in state complete.
    pub(super) ends_in_flight: bool,
    /// Whether its end was accounted for.
    pub(super) ended: bool,
}

/// How far a change of the sample has come.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// The engine leaves out what will no longer be told.
    Announced(Sample),
    /// The programs tell of it, since then.
    InForce(Sample, u64),
}

/// Writes records into an engine; the clock is moved by the test.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) engine: Engine,
    pub(super) now: u64,
    /// How far the clock of the current CPU is ahead.
    pub(super) skew: u64,
    /// Records that are about to be refused by the ring.
    pub(super) refuse: u32,
    /// Records that are about to pass unseen, as on a thread of PID 1.
    pub(super) hide: u32,
    /// What happens to the programs of the next event.
    pub(super) skip: Skip,
    /// Where tracepoints have second programs.
    marks: Option<Marks>,
    /// Whether a record of the last event was written.
    pub(super) written: bool,
    /// Events that were skipped and told by nobody.
    pub(super) untold: u64,
    /// Which requests are told of.
    pub(super) sample: Sample,
    change: Option<Change>,
    /// Records that are about to be written so that nobody can read them.
    pub(super) garble: u32,
    /// Records that are about to be lost on the daemon's side.
    pub(super) drop: u32,
    /// Where the next events happen.
    pub(super) cpu: u16,
    /// The hardware queue of the next requests.
    pub(super) hardware_queue: u16,
    /// The ring of that hardware queue.
    pub(super) ring: usize,
    /// The address of the queue of the next events.
    pub(super) queue: u64,
    /// The disk of that queue.
    pub(super) disk: DeviceId,
    /// The task that runs.
    pub(super) pid: u32,
    /// What the rings hold, where they are read only when the test says so.
    pub(super) unread: Option<[VecDeque<Written>; MAX_RINGS]>,
    /// What the last event was like, whether or not a record of it was written.
    pub(super) last: RequestRecord,
    /// Every event in words, where somebody wants to read it.
    pub(super) story: Option<Vec<String>>,
    /// The same engine without the shortcut of plain lives, where both are to be compared.
    twin: Option<Box<Twin>>,
    /// All that the engine was told, if that is wanted.
    tape: Option<Vec<u64>>,
    starts: Starts,
    attempts: HashMap<(u16, Program, usize), u64>,
    refused: [[u64; MAX_RINGS]; PROBES],
    refused_of: HashMap<(u16, Program, usize), u64>,
    recursion: [u64; PROBES],
    second_recursion: [u64; PROBES],
    /// The statistics of the disk, counted as the kernel does it.
    pub(super) statistics: Columns,
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self::with(Starts::All)
    }

    pub(super) fn with(starts: Starts) -> Self {
        Self::attached(starts, ATTACHED)
    }

    /// A kernel whose last program was attached at a certain time.
    pub(super) fn attached(starts: Starts, attached: u64) -> Self {
        Self::new_with(starts, attached, None)
    }

    /// The same, with second programs that share so many marks.
    pub(super) fn new_with(starts: Starts, attached: u64, marks: Option<usize>) -> Self {
        Self {
            engine: Engine::new(config(starts, attached, marks.is_some())),
            twin: None,
            tape: None,
            now: BEGIN,
            skew: 0,
            refuse: 0,
            hide: 0,
            skip: Skip::Nothing,
            marks: marks.map(Marks::new),
            written: false,
            untold: 0,
            sample: Sample::ALL,
            change: None,
            garble: 0,
            drop: 0,
            cpu: 0,
            hardware_queue: 0,
            ring: 0,
            queue: QUEUE,
            disk: DISK,
            pid: 42,
            unread: None,
            last: RequestRecord::zeroed(),
            story: None,
            starts,
            attempts: HashMap::new(),
            refused: [[0; MAX_RINGS]; PROBES],
            refused_of: HashMap::new(),
            recursion: [0; PROBES],
            second_recursion: [0; PROBES],
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
            tag: 1,
            timeout: 0,
            deadline: 0,
            ends_in_flight: false,
            ended: false,
        }
    }

    pub(super) fn after(&mut self, nanoseconds: u64) -> &mut Self {
        self.now += nanoseconds;
        self
    }

    pub(super) fn submit(&mut self, probe: Probe, rq: &mut Request) {
        let mut record = SubmitRecord::zeroed();
        record.diskseq = self.disk.sequence;
        record.start_time = rq.allocated;
        record.comm.copy_from_slice(if rq.worker {
            b"kworker/0:1\0\0\0\0\0"
        } else {
            b"fio\0\0\0\0\0\0\0\0\0\0\0\0\0"
        });
        record.pid = self.pid;
        record.tgid = self.pid;
        record.task_flags = if rq.worker { 0x20 } else { 0x40 };
        record.cgroup = 77;
        record.hardware_queue = self.hardware_queue;
        if let Some(mut head) = self.head(probe, rq, None) {
            if probe == Probe::Start && self.starts != Starts::Flushes {
                // `blk_account_io_start` sets it after the event.
                head.rq_flags &= !Flavor::linux_6_12().rqf.io_stat;
            }
            record.request = head;
            self.write(Written::Submit(record));
        }
        self.moved(probe, rq);
    }

    fn moved(&self, probe: Probe, rq: &mut Request) {
        if probe == Probe::Issue {
            rq.state = STATE_IN_FLIGHT;
            // `blk_add_timer`
            if rq.timeout == 0 {
                rq.timeout = TIMEOUT;
            }
            rq.deadline = self.now / TICK + u64::from(rq.timeout);
        }
    }

    /// Whether the start of a request is traced.
    pub(super) const fn traces_start(&self, rq: &Request) -> bool {
        let req = Flavor::linux_6_12().req;
        let flush = rq.cmd_flags & (req.preflush | req.fua) != 0;
        match self.starts {
            Starts::All => true,
            Starts::Flagged => flush || rq.cmd_flags as u8 > 1,
            Starts::Flushes => flush,
            Starts::None => false,
        }
    }

    /// Start, where it is traced.
    pub(super) fn start(&mut self, rq: &mut Request) {
        if self.traces_start(rq) {
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
        if rq.state == STATE_IN_FLIGHT && !rq.ends_in_flight {
            rq.state = STATE_COMPLETE;
        }
        let mut record = CompleteRecord::zeroed();
        record.bytes = bytes;
        record.status = status;
        record.without_bio = u32::from(!rq.bio);
        record.timeout = rq.timeout;
        if let Some(head) = self.head(Probe::Complete, rq, Some((bytes, status))) {
            record.request = head;
            self.write(Written::Complete(record));
        }
        self.account(rq, bytes);
        rq.len = rq.len.saturating_sub(bytes);
        if rq.len > 0 {
            rq.sector = rq.sector.wrapping_add(u64::from(bytes >> 9));
        }
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
        if let Some(head) = self.head(probe, rq, None) {
            self.write(Written::Plain(head));
        }
        if probe == Probe::Requeue {
            rq.state = STATE_IDLE;
        }
    }

    /// A request of this queue as it lies in memory, with so many references to it.
    pub(super) fn memory(queue: u64, rq: &Request, references: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(queue.to_ne_bytes());
        bytes.extend(rq.cmd_flags.to_ne_bytes());
        bytes.extend(rq.tag.to_ne_bytes());
        bytes.extend(rq.len.to_ne_bytes());
        bytes.extend(references.to_ne_bytes());
        bytes.extend(rq.sector.to_ne_bytes());
        bytes.extend(rq.allocated.to_ne_bytes());
        bytes.extend(u32::from(rq.state).to_ne_bytes());
        bytes.extend(rq.timeout.to_ne_bytes());
        bytes.extend(rq.deadline.to_ne_bytes());
        bytes
    }

    /// A census, with what memory has at each address; `None` where nothing is mapped.
    pub(super) fn census(&mut self, memory: impl Fn(u64) -> Option<Vec<u8>>) {
        self.now += 1;
        let from = self.now;
        for suspect in self.engine.suspects(from) {
            let bytes = memory(suspect.address());
            let (memory, at) = (bytes.as_deref(), self.now);
            self.feed(&Input::LookedUp { suspect, memory, at });
        }
        self.feed(&Input::OpenCounted { from, now: self.now });
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

    /// First programs were skipped this often, for events that no test needs.
    pub(super) fn skip(&mut self, runs: u64) {
        self.recursion[0] += runs;
        self.untold += runs;
    }

    /// Keeps an event for those who want to read the stream, with what ends with it.
    fn tell(&mut self, probe: Probe, rq: &Request, ends: Option<(u32, i32)>) {
        let Some(story) = &mut self.story else { return };
        let fate = match (self.hide, self.refuse, self.skip) {
            (0, 0, Skip::Nothing) => "",
            (0, 0, Skip::First) => "  SKIPPED ONCE",
            (0, 0, Skip::All) => "  SKIPPED",
            (0, _, _) => "  REFUSED",
            (_, _, _) => "  HIDDEN",
        };
        let ends = ends.map_or_else(String::new, |(bytes, status)| {
            format!(" ends {bytes} status {status} bio {}", u8::from(rq.bio))
        });
        story.push(format!(
            "{:>12} cpu {} ring {} disk {} rq {:#x} {:<8} op {:#x} rqf {:#x} sector {} len {} state {}{ends}{fate}",
            self.now,
            self.cpu,
            self.ring,
            self.disk,
            rq.address,
            probe.label(),
            rq.cmd_flags,
            rq.rq_flags,
            rq.sector.cast_signed(),
            rq.len,
            rq.state,
        ));
    }

    fn head(
        &mut self,
        probe: Probe,
        rq: &Request,
        ends: Option<(u32, i32)>,
    ) -> Option<RequestRecord> {
        self.tell(probe, rq, ends);
        let mut record = RequestRecord {
            time: self.now + self.skew,
            request: rq.address,
            queue: self.queue,
            sector: rq.sector,
            attempt: 0,
            ring_lost: self.refused.iter().map(|row| row[self.ring]).sum::<u64>() as u32,
            device: self.disk.number,
            data_len: rq.len,
            cmd_flags: rq.cmd_flags,
            rq_flags: rq.rq_flags,
            tag: rq.tag,
            cpu: self.cpu,
            program: probe as u8,
            state: rq.state,
        };
        self.last = record;
        self.written = false;
        let skip = std::mem::take(&mut self.skip);
        if !self.sample.follows(rq.address, rq.cmd_flags) {
            return None;
        }
        if self.hide > 0 {
            self.hide -= 1;
            return None;
        }
        let program = self.teller(skip, probe, rq)?;
        record.program = program.to_wire();
        let attempts = self.attempts.entry((self.cpu, program, self.ring)).or_default();
        *attempts += 1;
        record.attempt = *attempts as u32;
        if self.refuse > 0 {
            self.refuse -= 1;
            self.refused[probe as usize][self.ring] += 1;
            *self.refused_of.entry((self.cpu, program, self.ring)).or_default() += 1;
            return None;
        }
        self.written = true;
        Some(record)
    }
}
