//! Names, comings and goings of devices.

use std::{collections::HashMap, sync::Arc};

use super::{clock, sysfs};
use crate::{
    config::Config,
    engine::{Engine, Policy, device::DeviceId},
};

/// How often it is looked whether the devices are still there, in nanoseconds. A number that is
/// used again is noticed at once, by the disk's sequence number in its first record.
const PRESENCE_EVERY: u64 = 2_000_000_000;

/// Looks devices up for an engine.
#[derive(Debug)]
pub(super) struct Watch {
    config: Arc<Config>,
    looked: u64,
    /// Devices that were idle at the last look, and when that was.
    idle: HashMap<DeviceId, u64>,
}

impl Watch {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self { config, looked: 0, idle: HashMap::new() }
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

    /// Devices with open requests of which the kernel said, at the look before this one and now,
    /// that the driver has none, and when that look was. What was issued before then is over.
    ///
    /// One look would not do: a request whose end waits for a softirq is no longer counted by the
    /// kernel, and its completion is still to be traced.
    pub(super) fn idle(&mut self, engine: &Engine) -> Vec<(DeviceId, u64)> {
        let mut idle = Vec::new();
        let mut seen = HashMap::new();
        for id in engine.busy_devices() {
            let now = clock::monotonic();
            if sysfs::is_idle(id) {
                idle.extend(self.idle.get(&id).map(|before| (id, *before)));
                seen.insert(id, now);
            }
        }
        self.idle = seen;
        idle
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
