//! From any bytes to what a reader may do with an engine.
//!
//! A record of random bytes is hardly ever about a request that another record was about, so each
//! command of 16 bytes makes one whole record out of few choices: few addresses, small numbers,
//! plausible flags. A command may also hand over raw bytes, read counters, or look at devices.

use bytemuck::Zeroable;
use iotruth_common::{
    counters::MAX_RINGS,
    layout::Layout,
    probe::{PROBES, Probe},
    record::{CompleteRecord, RequestRecord, SubmitRecord},
};

use crate::{
    aligned::Aligned,
    engine::{
        Audit, Engine, EngineConfig, Limits, Policy, Starts, device::DeviceId, flavor::Flavor,
        snapshot::Snapshot,
    },
};

/// Bytes of one command.
const COMMAND: usize = 16;

/// Sectors and times at which arithmetic goes wrong if it can.
const EDGES: [u64; 8] = [0, 8, 16, 1 << 32, u64::MAX >> 1, u64::MAX - 8, u64::MAX - 1, u64::MAX];

/// Lengths of the same sort.
const LENGTHS: [u32; 8] = [0, 512, 4096, 16_384, 511, 1 << 31, u32::MAX - 1, u32::MAX];

/// An engine that is told what a script says.
#[derive(Debug)]
pub struct Player {
    engine: Engine,
    time: u64,
    attempts: [u32; 4],
    audit: Audit,
}

impl Player {
    /// An engine of a kernel of which this byte tells what is traced.
    #[must_use]
    pub fn new(kernel: u8) -> Self {
        let starts = match kernel % 4 {
            0 => Starts::None,
            1 => Starts::Flushes,
            2 => Starts::Flagged,
            _ => Starts::All,
        };
        let engine = Engine::new(EngineConfig {
            flavor: Flavor::linux_6_12(),
            layout: layout(),
            limits: Limits { stuck_after: 1_000, slow_flush_after: 100 },
            attached: 1_000,
            tick: Some(1),
            starts,
            second_programs: kernel & 4 == 0,
            rings: vec![0, 1],
            index: 0,
            engines: 1,
        });
        Self { engine, time: 1_000, attempts: [0; 4], audit: Audit::default() }
    }

    /// Plays a whole script, and gives what the engine knows afterwards.
    #[must_use]
    pub fn play(mut self, script: &[u8]) -> Snapshot {
        for command in script.chunks_exact(COMMAND) {
            self.perform(command);
        }
        self.audit.read = u64::MAX;
        self.engine.audit(self.audit);
        self.engine.snapshot(self.time)
    }

    fn perform(&mut self, command: &[u8]) {
        match command[0] {
            0..=239 => self.record(command),
            // Bytes as they come, of any length up to the command's.
            240..=243 => {
                let bytes = Aligned::new(&command[1..1 + usize::from(command[1]) % COMMAND]);
                self.engine.record(usize::from(command[2]), bytes.bytes());
            }
            244..=247 => self.count(command),
            248..=251 => {
                let now = edge(command[1], self.time);
                for suspect in self.engine.suspects(now) {
                    let bytes = (command[2] & 1 == 0).then_some(&command[3..]);
                    self.engine.looked_up(&suspect, bytes, now);
                }
                self.engine.count_open(edge(command[2], self.time), now);
            }
            252..=253 => {
                for id in self.engine.take_unnamed() {
                    let policy = if command[1] & 1 == 0 { Policy::Follow } else { Policy::Exclude };
                    self.engine.name_device(id, "disk", policy);
                }
            }
            254..=255 => self.engine.end_device(device(command[1])),
        }
    }

    /// A record of every size, with all its fields from the command.
    fn record(&mut self, command: &[u8]) {
        let probe = command[0] % 8;
        let second = command[4] >> 3 & 1;
        let choices = command[4];
        self.time = edge(command[1], self.time);
        let ring = usize::from(choices & 1);
        let cpu = usize::from(choices >> 1 & 3);
        let attempt = &mut self.attempts[cpu];
        *attempt = attempt.wrapping_add(u32::from(command[5] & 3));
        let head = RequestRecord {
            time: self.time,
            request: u64::from(command[2] & 7) << 8,
            queue: u64::from(command[2] >> 3 & 1),
            sector: sector(command[6]),
            attempt: *attempt,
            ring_lost: u32::from(command[5] >> 6),
            device: u32::from(command[3] & 3),
            data_len: LENGTHS[usize::from(command[7] & 7)],
            cmd_flags: u32::from(command[8] % 36) | u32::from(command[9]) << 11,
            rq_flags: u32::from(command[10]) << 1 | u32::from(command[10] & 1) << 14,
            tag: i32::from(command[11].cast_signed()),
            cpu: cpu as u16,
            program: probe | second << 7,
            state: command[12] % 4,
        };
        let pad = usize::from(command[13] == 255);
        let bytes = match Probe::from_wire(probe) {
            Some(Probe::Start | Probe::Insert | Probe::Issue) => {
                let mut record = SubmitRecord::zeroed();
                record.request = head;
                record.diskseq = u64::from(command[3] >> 4);
                record.start_time = edge(command[14], self.time);
                record.hardware_queue = u16::from(command[2] >> 6);
                record.pid = u32::from(command[15]);
                bytemuck::bytes_of(&record).to_vec()
            }
            Some(Probe::Complete) => {
                let mut record = CompleteRecord::zeroed();
                record.request = head;
                record.bytes = LENGTHS[usize::from(command[14] & 7)];
                record.status = i32::from(command[15].cast_signed());
                record.without_bio = u32::from(command[14] >> 7);
                bytemuck::bytes_of(&record).to_vec()
            }
            Some(Probe::Merge | Probe::Requeue | Probe::Remap) | None => {
                bytemuck::bytes_of(&head).to_vec()
            }
        };
        let bytes = Aligned::new(&bytes[..bytes.len() - pad]);
        self.engine.record(ring, bytes.bytes());
    }

    /// Counters are read; they only grow.
    fn count(&mut self, command: &[u8]) {
        let (probe, ring) = (usize::from(command[1]) % PROBES, usize::from(command[2]) % MAX_RINGS);
        self.audit.attempts[probe][ring] += u64::from(command[3]);
        self.audit.lost[probe][ring] += u64::from(command[4]);
        self.audit.made_up[probe] += u64::from(command[5] & 3);
        self.audit.recursion[probe] += u64::from(command[5] >> 6);
        self.audit.read = edge(command[6], self.time);
        self.engine.audit(self.audit);
    }
}

/// Offsets into what a command has left for the memory of a request.
fn layout() -> Layout {
    Layout { request_state: 4, request_references: 5, request_start_time: 2, ..Layout::zeroed() }
}

const fn device(choice: u8) -> DeviceId {
    DeviceId { number: (choice & 3) as u32, sequence: (choice >> 4) as u64 }
}

/// A little later, or a time at which arithmetic goes wrong if it can.
fn edge(choice: u8, now: u64) -> u64 {
    match choice {
        0..=199 => now.saturating_add(u64::from(choice)),
        200..=239 => now.saturating_sub(u64::from(choice)),
        240..=255 => EDGES[usize::from(choice & 7)],
    }
}

fn sector(choice: u8) -> u64 {
    if choice < 128 { u64::from(choice & 31) } else { EDGES[usize::from(choice & 7)] }
}
