//! Records as the programs would write them, into rings as the kernel would lay them out.

use bytemuck::Zeroable;
use iotruth_common::{
    counters::MAX_RINGS,
    probe::{PROBES, Probe, Program},
    record::{CompleteRecord, RequestRecord, STATE_COMPLETE, STATE_IDLE, SubmitRecord},
};

use crate::{
    engine::{Audit, device::DeviceId, flavor::Flavor},
    load::{Load, Path},
};

/// The first moment of every stream, after the programs were attached.
pub const BEGIN: u64 = 2_000_000_000;

/// Bytes of each request.
const LENGTH: u32 = 4096;

/// Nanoseconds from one event to the next; less where so many requests are open that each would
/// last a second, from which on the census looks it up in kernel memory.
const STEP: u64 = 1_000;

/// The longest that a request may be open, in nanoseconds.
const LONGEST: u64 = 500_000_000;

/// Requests that are free, beside those that are open: an eighth, but the engine's table of
/// addresses must have room for all.
const MAX_FREE: u64 = 32_768;

/// The order in which requests are used: a prime, so that it comes round to each of them, and large,
/// so that neighbours in time are far apart in memory.
const STRIDE: u64 = 2_654_435_761;

/// What one ring holds: of each record a word with its length, and the record.
#[derive(Debug, Default)]
pub struct Ring {
    words: Vec<u64>,
}

impl Ring {
    fn write(&mut self, record: &[u8]) {
        self.words.push(record.len() as u64);
        let (words, _) = record.as_chunks::<8>();
        self.words.extend(words.iter().map(|word| u64::from_ne_bytes(*word)));
    }

    /// Gives every record to `take`, where it lies.
    #[inline]
    pub fn drain(&self, mut take: impl FnMut(&[u8])) {
        let mut rest = self.words.as_slice();
        while let Some((length, after)) = rest.split_first()
            && let Some((record, next)) = after.split_at_checked(*length as usize / 8)
        {
            take(bytemuck::cast_slice(record));
            rest = next;
        }
    }
}

/// A block layer that keeps a number of requests open.
#[derive(Debug)]
pub struct Stream {
    load: Load,
    requests: u64,
    step: u64,
    now: u64,
    /// How many lives have begun, and how many have ended.
    begun: u64,
    ended: u64,
    attempts: Vec<[[u32; MAX_RINGS]; PROBES]>,
    rings: Vec<Ring>,
}

impl Stream {
    /// With nothing open.
    #[must_use]
    pub fn new(load: Load) -> Self {
        let requests = load.open + (load.open / 8).clamp(1, MAX_FREE);
        Self {
            load,
            requests,
            step: STEP.min(LONGEST / (load.open * 3)),
            now: BEGIN,
            begun: 0,
            ended: 0,
            attempts: vec![[[0; MAX_RINGS]; PROBES]; load.queues as usize * 2],
            rings: (0..load.rings).map(|_| Ring::default()).collect(),
        }
    }

    /// What was written since the rings were last emptied.
    #[must_use]
    pub fn rings(&self) -> &[Ring] {
        &self.rings
    }

    /// The time of the last event.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Empties the rings.
    pub fn empty(&mut self) {
        self.rings.iter_mut().for_each(|ring| ring.words.clear());
    }

    /// Begins lives until as many are open as shall be, at most so many; says how many events that
    /// were.
    pub fn open(&mut self, most: u64) -> u64 {
        let lives = (self.load.open - (self.begun - self.ended)).min(most);
        (0..lives).map(|_| self.begin()).sum()
    }

    /// One life ends and another one begins; says how many events that were.
    pub fn turn(&mut self) -> u64 {
        let request = self.request(self.ended);
        self.ended += 1;
        let mut record = CompleteRecord::zeroed();
        // 30 s, in ticks of 4 ms: the driver had it.
        record.timeout = 7_500;
        record.request = self.head(request, Probe::Complete, STATE_COMPLETE);
        record.bytes = LENGTH;
        self.write(request, bytemuck::bytes_of(&record));
        1 + self.begin()
    }

    fn begin(&mut self) -> u64 {
        let request = self.request(self.begun);
        self.begun += 1;
        let allocated = self.now;
        let probes: &[Probe] = match self.load.path {
            Path::Direct => &[Probe::Issue],
            Path::Queued => &[Probe::Insert, Probe::Issue],
            Path::Started => &[Probe::Start, Probe::Issue],
        };
        for probe in probes {
            self.submit(request, *probe, allocated);
        }
        probes.len() as u64
    }

    fn submit(&mut self, request: u64, probe: Probe, allocated: u64) {
        let mut record = SubmitRecord::zeroed();
        record.request = self.head(request, probe, STATE_IDLE);
        record.diskseq = self.disk(request).sequence;
        record.cgroup = 77;
        record.start_time = allocated;
        record.comm = *b"fio\0\0\0\0\0\0\0\0\0\0\0\0\0";
        record.pid = 42;
        record.tgid = 42;
        record.task_flags = 0x40;
        record.internal_tag = -1;
        record.segments = 1;
        record.hardware_queue = self.hardware_queue(request) as u16;
        self.write(request, bytemuck::bytes_of(&record));
    }

    fn write(&mut self, request: u64, record: &[u8]) {
        let ring = self.ring(request);
        if let Some(ring) = self.rings.get_mut(ring) {
            ring.write(record);
        }
    }

    fn head(&mut self, request: u64, probe: Probe, state: u8) -> RequestRecord {
        self.now += self.step;
        let ring = self.ring(request);
        // It is submitted on one CPU and interrupts another one.
        let cpu = self.hardware_queue(request) * 2 + u64::from(state == STATE_COMPLETE);
        let attempts = &mut self.attempts[cpu as usize][probe as usize][ring];
        *attempts += 1;
        RequestRecord {
            time: self.now,
            // As the block layer lays them out: one after the other, with the driver's part behind.
            request: 0xffff_8881_0000_0000 + request * 448,
            queue: 0xffff_8880_0100_0000 + (request % self.load.devices) * 0x1000,
            sector: request * 8,
            attempt: *attempts,
            ring_lost: 0,
            device: self.disk(request).number,
            data_len: LENGTH,
            cmd_flags: 0,
            rq_flags: Flavor::linux_6_12().rqf.io_stat,
            tag: request as i32,
            cpu: cpu as u16,
            program: Program::only(probe).to_wire(),
            state,
        }
    }

    /// The request of the life with this number.
    const fn request(&self, life: u64) -> u64 {
        (life % self.requests) * STRIDE % self.requests
    }

    /// The disk of a request.
    #[must_use]
    pub const fn disk(&self, request: u64) -> DeviceId {
        let disk = request % self.load.devices;
        DeviceId { number: (8 << 20) | disk as u32, sequence: disk + 1 }
    }

    const fn hardware_queue(&self, request: u64) -> u64 {
        request / self.load.devices % self.load.queues
    }

    const fn ring(&self, request: u64) -> usize {
        (self.hardware_queue(request) % self.load.rings) as usize
    }

    /// What the counters beside the rings are now.
    #[must_use]
    pub fn counters(&self) -> Audit {
        let mut audit = Audit { read: self.now + 1, ..Audit::default() };
        for cpu in &self.attempts {
            for (sums, attempts) in audit.attempts.iter_mut().zip(cpu) {
                for (sum, attempts) in sums.iter_mut().zip(attempts) {
                    *sum += u64::from(*attempts);
                }
            }
        }
        audit
    }
}
