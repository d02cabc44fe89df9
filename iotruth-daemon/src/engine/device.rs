//! What a device is: its number, and which of the devices that used this number.

use std::fmt;

/// Identity of a disk as the kernel gives it in every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// The kernel's `dev_t`: `major << 20 | first_minor`; 0 where the queue has no disk.
    pub number: u32,
    /// The disk's sequence number, which no other disk of this boot has; 0 before Linux 5.15.
    pub sequence: u64,
}

impl DeviceId {
    /// The major number.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.number >> 20
    }

    /// The first minor number.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.number & 0xf_ffff
    }
}

impl fmt::Display for DeviceId {
    /// `major:minor`, as `lsblk` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major(), self.minor())
    }
}
