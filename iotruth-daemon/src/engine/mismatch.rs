//! One thing that did not go as it should, with all that is needed to explain it.

use super::{
    device::DeviceId, io_error::IoError, kind::Kind, operation::Operation, owner::Owner,
    phase::Phases, timeline::Timeline,
};

/// What became of the request that a mismatch tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended.
    Open,
    /// It ended well at this time.
    Ended(u64),
    /// It ended at this time with this error.
    Failed(u64, IoError),
    /// Its end was not seen; by this time it was over.
    EndUnseen(u64),
    /// It was open when it ceased to be followed, or what was lost may be its end and may be something else.
    Unknown,
}

/// A request that failed or behaved oddly, told whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Grows with each new entry of one run of the daemon.
    pub id: u64,
    /// What happened.
    pub kind: Kind,
    /// When it was first seen: nanoseconds of `CLOCK_MONOTONIC`.
    pub first: u64,
    /// When it was last seen; differs from `first` where `count` is over 1.
    pub last: u64,
    /// How often the same was seen: of the same request while it was open; of others, where it has not,
    /// with the same device, kind, operation, sector, bytes, error, process and outcome; of merges, with the
    /// same device and operation. Kinds that are about how long something took have an entry for each request.
    pub count: u64,
    /// Which device.
    pub device: DeviceId,
    /// Its name when it was last looked up.
    pub device_name: String,
    /// What was asked of it.
    pub operation: Operation,
    /// Operation and flags in the letters of blktrace, such as `WFS`.
    pub letters: String,
    /// Operation and flags spelled out, such as `write`, `fua`, `sync`.
    pub flags: Vec<&'static str>,
    /// First 512-byte sector of the request; `None` where it has none, as a flush.
    pub sector: Option<u64>,
    /// Length of the request when it was last issued or queued, in bytes.
    pub bytes: u32,
    /// Bytes of the request that were transferred, by all attempts together.
    pub bytes_done: u32,
    /// First sector and length of the request before its first issue, merges included: an attempt that
    /// comes after a partial transfer has only the rest.
    pub asked: (Option<u64>, u32),
    /// Class of the error and its raw number, where it ended with one.
    pub error: Option<(IoError, i32)>,
    /// Who asked for it.
    pub owner: Owner,
    /// What became of it; where `count` is over 1, of the last one.
    pub outcome: Outcome,
    /// Address of the `struct request`.
    pub request: u64,
    /// Hardware queue.
    pub hardware_queue: u16,
    /// The driver's tag, -1 where none was seen.
    pub tag: i32,
    /// The events of the life, up to the one that raised this.
    pub timeline: Timeline,
    /// How long each phase took.
    pub phases: Phases,
    /// How long a stuck request has been where it was at least, in nanoseconds, where its phases do not tell:
    /// events were lost meanwhile, which may be those of another attempt.
    pub waited: Option<u64>,
}

impl Mismatch {
    /// Until when there was something to tell of it; for ever where its request is open.
    #[must_use]
    pub fn lasted_until(&self) -> u64 {
        match self.outcome {
            Outcome::Open => u64::MAX,
            Outcome::Ended(time) | Outcome::Failed(time, _) | Outcome::EndUnseen(time) => {
                self.last.max(time)
            }
            Outcome::Unknown => self.last,
        }
    }
}
