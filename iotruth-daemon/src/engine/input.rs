//! What an engine is told: one value for each thing, so that a live reader and a recording tell it in
//! the same way.

use super::{
    census::Suspect,
    device::DeviceId,
    devices::Policy,
    engine::{Audit, Engine},
    sample::Sample,
    streams::StreamCount,
};

/// One thing that an engine is told. All that it knows comes from these, in their order.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A record, as it lies in a ring, aligned to 8 bytes.
    Record {
        /// The ring.
        ring: usize,
        /// The record.
        bytes: &'a [u8],
    },
    /// What streams had counted when the counters were read that come next: those that went on since
    /// the time before.
    StreamsCounted(&'a [StreamCount]),
    /// The kernel side's counters, after every record that was written before they were read.
    Audit(&'a Audit),
    /// Another sample of requests is to be followed. What it no longer has may not be told from now on.
    Sampled {
        /// The sample.
        sample: Sample,
        /// Since when what it has and the one before had not has been told: nanoseconds of
        /// `CLOCK_MONOTONIC`.
        since: u64,
    },
    /// A device has a name, and is to be shown or not.
    DeviceNamed {
        /// The device.
        id: DeviceId,
        /// Its name.
        name: &'a str,
        /// What is to be done with it.
        policy: Policy,
    },
    /// A device of which only the number was known has a sequence number.
    DeviceIdentified {
        /// The device.
        id: DeviceId,
        /// Its sequence number.
        sequence: u64,
    },
    /// A device has gone.
    DeviceEnded(DeviceId),
    /// How long the driver of a device is given for a request.
    DeviceTimeout {
        /// The device.
        id: DeviceId,
        /// Nanoseconds.
        timeout: u64,
    },
    /// What was read at the address of a suspect.
    LookedUp {
        /// The suspect.
        suspect: Suspect,
        /// The first bytes of its request; `None` where nothing is mapped.
        memory: Option<&'a [u8]>,
        /// When: nanoseconds of `CLOCK_MONOTONIC`.
        at: u64,
    },
    /// Every suspect was looked up: what is open is to be counted.
    OpenCounted {
        /// When that began: nanoseconds of `CLOCK_MONOTONIC`.
        from: u64,
        /// When it was over.
        now: u64,
    },
}

impl Engine {
    /// Takes one thing; says whether anything changed that is shown.
    pub fn feed(&mut self, input: &Input<'_>) -> bool {
        match *input {
            Input::Record { ring, bytes } => self.record(ring, bytes),
            Input::StreamsCounted(counts) => {
                self.count_streams(counts);
                return false;
            }
            Input::Audit(audit) => return self.audit(*audit),
            Input::Sampled { sample, since } => self.follow(sample, since),
            Input::DeviceNamed { id, name, policy } => self.name_device(id, name, policy),
            Input::DeviceIdentified { id, sequence } => self.identify_device(id, sequence),
            Input::DeviceEnded(id) => self.end_device(id),
            Input::DeviceTimeout { id, timeout } => {
                self.set_timeout(id, timeout);
                return false;
            }
            Input::LookedUp { suspect, memory, at } => self.looked_up(&suspect, memory, at),
            Input::OpenCounted { from, now } => self.count_open(from, now),
        }
        true
    }
}
