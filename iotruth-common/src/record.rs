//! The records that the programs write into the rings: one fixed size for each kind of event.
//!
//! All fields are integers in the machine's own byte order, all padding is named, and size and
//! offsets are asserted beside each struct, so that both sides of the ring agree at compile time.

use core::mem::{offset_of, size_of};

/// What every record starts with. 64 bytes.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct RequestRecord {
    /// When the event happened: `bpf_ktime_get_ns`, nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Address of the `struct request`: what lives are joined by.
    pub request: u64,
    /// Address of the `struct request_queue`.
    pub queue: u64,
    /// `__sector`: first 512-byte sector; all ones where the request has none.
    pub sector: u64,
    /// Low half of the attempt number of this (CPU, program, ring), counted before the reservation.
    /// The first attempt is 1. A number that is missing is a record that was lost.
    pub attempt: u32,
    /// How many records this ring had refused, by all CPUs together, just before `time`.
    pub ring_lost: u32,
    /// `dev_t` of the disk, `major << 20 | first_minor`; 0 where the queue has no disk.
    pub device: u32,
    /// `__data_len`: bytes that are still to be transferred.
    pub data_len: u32,
    /// `cmd_flags`: the operation in the low 8 bits, `REQ_*` flags above.
    pub cmd_flags: u32,
    /// `rq_flags`: `RQF_*` bits, whose numbers differ between kernels.
    pub rq_flags: u32,
    /// `tag`: the driver's tag, -1 where there is none at this moment.
    pub tag: i32,
    /// The CPU on which the program ran.
    pub cpu: u16,
    /// Which tracepoint, and which of its programs: a [`Program`](crate::probe::Program).
    pub program: u8,
    /// `state` at the event: 0 idle, 1 in flight, 2 complete.
    pub state: u8,
}

const _: () = assert!(size_of::<RequestRecord>() == 64);
const _: () = assert!(offset_of!(RequestRecord, sector) == 24);
const _: () = assert!(offset_of!(RequestRecord, attempt) == 32);
const _: () = assert!(offset_of!(RequestRecord, device) == 40);
const _: () = assert!(offset_of!(RequestRecord, cmd_flags) == 48);
const _: () = assert!(offset_of!(RequestRecord, tag) == 56);
const _: () = assert!(offset_of!(RequestRecord, program) == 62);
const _: () = assert!(offset_of!(RequestRecord, state) == 63);

/// Start, insert and issue: the events that run in the context of a submitter. 128 bytes.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct SubmitRecord {
    /// What every record has.
    pub request: RequestRecord,
    /// `gendisk.diskseq`: tells apart two devices that used the same number; 0 before Linux 5.15.
    pub diskseq: u64,
    /// Cgroup id of the bio (`bi_blkg`); 0 where there is none.
    pub cgroup: u64,
    /// `start_time_ns` of the request: may be cached or stale, which only makes it older.
    pub start_time: u64,
    /// `comm` of the current task, padded with zeros.
    pub comm: [u8; 16],
    /// `pid` of the current task (a thread id), in the initial namespace.
    pub pid: u32,
    /// `tgid` of the current task (a process id), in the initial namespace.
    pub tgid: u32,
    /// `task_struct.flags` (`PF_*`) of the current task; 0 where the kernel is too old to give it.
    pub task_flags: u32,
    /// `internal_tag`: the scheduler's tag, -1 where there is none.
    pub internal_tag: i32,
    /// `nr_phys_segments`.
    pub segments: u16,
    /// `mq_hctx->queue_num`: the hardware queue; 0 where it is not known.
    pub hardware_queue: u16,
    /// 1: nobody has looked who asks for it, and the fields of the task and the cgroup are 0. Else 0.
    pub without_owner: u32,
}

const _: () = assert!(size_of::<SubmitRecord>() == 128);
const _: () = assert!(offset_of!(SubmitRecord, diskseq) == 64);
const _: () = assert!(offset_of!(SubmitRecord, comm) == 88);
const _: () = assert!(offset_of!(SubmitRecord, pid) == 104);
const _: () = assert!(offset_of!(SubmitRecord, segments) == 120);

/// Some or all bytes of a request ended. 80 bytes.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct CompleteRecord {
    /// What every record has.
    pub request: RequestRecord,
    /// Bytes that ended with this event.
    pub bytes: u32,
    /// How they ended: a `blk_status_t`, or a negative errno on kernels that trace that (5.15 and
    /// before); 0 is success on both.
    pub status: i32,
    /// 1 if `rq->bio` was NULL, else 0.
    pub without_bio: u32,
    /// `timeout`: how long the driver was given for it, in ticks of the kernel (jiffies); 0 where it
    /// never got it, or the kernel does not tell.
    pub timeout: u32,
}

const _: () = assert!(size_of::<CompleteRecord>() == 80);
const _: () = assert!(offset_of!(CompleteRecord, bytes) == 64);
const _: () = assert!(offset_of!(CompleteRecord, status) == 68);
const _: () = assert!(offset_of!(CompleteRecord, timeout) == 76);

/// `state` of a request that nobody has started: `MQ_RQ_IDLE`.
pub const STATE_IDLE: u8 = 0;
/// `state` of a request that the driver has started: `MQ_RQ_IN_FLIGHT`.
pub const STATE_IN_FLIGHT: u8 = 1;
/// `state` of a request that the driver has given back: `MQ_RQ_COMPLETE`.
pub const STATE_COMPLETE: u8 = 2;
