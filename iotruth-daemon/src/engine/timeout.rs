//! How long a driver is given for a request.

use iotruth_common::layout::ABSENT;

use super::engine::Engine;

/// How long after the timeout of a request its handler may fire, in nanoseconds: `blk_add_timer` puts
/// up to 512 ticks on top (of 300 in a second), and leaves a timer alone that is half a second late.
/// No request is overdue before.
pub(super) const TIMER_SLACK: u64 = 2_500_000_000;

impl Engine {
    /// When the timeout of a request must have fired, in nanoseconds since its issue: the longer one
    /// of its own (`ticks`, from the request) and its queue's. Drivers give a command that takes long
    /// more time (`sd_setup_flush_cmnd`, `sd_setup_write_same16_cmnd`), and the timeout of a queue
    /// may have been changed since.
    ///
    /// `None` where the kernel does not tell.
    pub(super) fn overdue_after(&mut self, device: u16, ticks: u32) -> Option<u64> {
        if self.layout.request_timeout == ABSENT {
            return None;
        }
        let own = u64::from(ticks).saturating_mul(self.tick?);
        Some(self.overdue_in_queue_after(device)?.max(own.saturating_add(TIMER_SLACK)))
    }

    /// The same for a request that no driver has.
    pub(super) fn overdue_in_queue_after(&mut self, device: u16) -> Option<u64> {
        Some(self.devices.get_mut(device)?.timeout.saturating_add(TIMER_SLACK))
    }
}
