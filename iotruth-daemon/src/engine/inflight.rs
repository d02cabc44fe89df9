//! Requests that are open right now.

use super::{device::DeviceId, operation::Operation, owner::Owner, phase::Phase};

/// Most open requests that are shown one by one: the oldest ones.
pub const MAX_OPEN_SHOWN: usize = 1_024;

/// All open requests of the devices that are shown, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// When that was: nanoseconds of `CLOCK_MONOTONIC`; 0 before the first look.
    pub at: u64,
    /// The oldest ones, the oldest first; at most [`MAX_OPEN_SHOWN`].
    pub oldest: Vec<OpenRequest>,
    /// How many there are, those that are not shown included; an estimate where not every request is
    /// followed.
    pub count: u64,
    /// Lives older than a second beyond those that one look can confirm, and those that could not be
    /// looked up: open by the records, and in no other figure here.
    pub unconfirmed: u64,
    /// Those that have been open for so long that they would be shown as stuck, but for losses: what was
    /// lost may have been another attempt.
    pub doubtful: u64,
}

/// A request that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Which device.
    pub device: DeviceId,
    /// Its name when it was last looked up.
    pub device_name: String,
    /// What was asked of it.
    pub operation: Operation,
    /// Operation and flags in the letters of blktrace, such as `WFS`.
    pub letters: String,
    /// First 512-byte sector that is still to be transferred; `None` where it has none, as a flush.
    pub sector: Option<u64>,
    /// Bytes still to be transferred.
    pub bytes: u32,
    /// The phase that it is in: queue, retry, device or flush.
    pub phase: Phase,
    /// Its first event: nanoseconds of `CLOCK_MONOTONIC`.
    pub first: u64,
    /// Its last event.
    pub last: u64,
    /// How many events it has had.
    pub events: u32,
    /// Whether it is older than a second and was found in kernel memory as the events left it, or is
    /// younger and nothing but its events is known.
    pub confirmed: bool,
    /// Who asked for it.
    pub owner: Owner,
    /// Address of the `struct request`.
    pub request: u64,
    /// Hardware queue.
    pub hardware_queue: u16,
    /// The driver's tag, -1 where none was seen.
    pub tag: i32,
}

impl InFlight {
    /// Adds what another reader knows.
    pub fn merge(&mut self, other: &Self) {
        // 0 where one has not looked yet.
        self.at = self.at.min(other.at);
        self.count += other.count;
        self.unconfirmed += other.unconfirmed;
        self.doubtful += other.doubtful;
        self.oldest.extend_from_slice(&other.oldest);
        self.oldest.sort_by_key(|request| request.first);
        self.oldest.truncate(MAX_OPEN_SHOWN);
    }
}
