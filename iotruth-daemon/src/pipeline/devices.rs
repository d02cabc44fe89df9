//! Names, comings and goings of devices.

use std::sync::Arc;

use super::{clock, sysfs};
use crate::{
    config::Config,
    engine::{Engine, Policy, device::DeviceId},
};

/// How often it is looked whether the devices are still there, in nanoseconds. A number that is
/// used again is noticed at once, by the disk's sequence number in its first record.
const PRESENCE_EVERY: u64 = 2_000_000_000;

/// How long a request must have been with an idle device to count as finished, in nanoseconds.
const SETTLED: u64 = 1_000_000_000;

/// Looks devices up for an engine.
#[derive(Debug)]
pub(super) struct Watch {
    config: Arc<Config>,
    looked: u64,
}

impl Watch {
    pub(super) const fn new(config: Arc<Config>) -> Self {
        Self { config, looked: 0 }
    }

    /// Names the devices that were seen for the first time.
    pub(super) fn name_new(&self, engine: &mut Engine) {
        for id in engine.take_unnamed() {
            // It may have gone already; what it did is still told, under its number.
            let name = sysfs::name(id).unwrap_or_else(|| id.to_string());
            let policy = if self.config.watches(&name) { Policy::Follow } else { Policy::Exclude };
            engine.name_device(id, &name, policy);
        }
    }

    /// Devices with open requests of which the kernel says that nothing is in flight, and since
    /// when at the latest an open request must be finished.
    pub(super) fn idle(engine: &Engine) -> Vec<(DeviceId, u64)> {
        engine
            .busy_devices()
            .filter_map(|id| {
                let now = clock::monotonic();
                sysfs::is_idle(id).then_some((id, now.saturating_sub(SETTLED)))
            })
            .collect()
    }

    /// Ends the series of devices that have gone, and says whether there was one.
    pub(super) fn end_gone(&mut self, engine: &mut Engine, now: u64) -> bool {
        if now.saturating_sub(self.looked) < PRESENCE_EVERY {
            return false;
        }
        self.looked = now;
        let gone: Vec<DeviceId> = engine
            .present_devices()
            .filter(|id| id.number != 0 && !sysfs::is_present(*id))
            .collect();
        for id in &gone {
            engine.end_device(*id);
        }
        !gone.is_empty()
    }
}
