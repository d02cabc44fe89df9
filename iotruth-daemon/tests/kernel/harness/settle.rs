//! Waiting until all that was asked of a device is counted.

use std::time::{Duration, Instant};

use super::{daemon::Daemon, loop_device::LoopDevice, metrics::Scrape, patience::wait_for};

/// After this long without all being counted, an end was not seen and its request is used again.
const SHORT: Duration = Duration::from_secs(3);

/// How many requests of a device are known to have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Reads, with those of [`LoopDevice::use_every_request`].
    pub(crate) reads: u64,
    /// Writes.
    pub(crate) writes: u64,
}

/// Waits until the daemon has counted exactly these requests of 4 KiB each, and checks their bytes.
///
/// BPF programs do not run where the current task is a thread of PID 1 on some machines, so that an
/// end now and then is not seen. Such a life is closed when its request is used again: that is
/// done here, and the reads that it takes are added to `expected`. No loss can hide that way:
/// what is left unjudged is in the answer.
pub(crate) fn settle(daemon: &Daemon, device: &LoopDevice, expected: &mut Counts) -> Scrape {
    let name = device.name();
    let mut since = Instant::now();
    wait_for("all requests to be counted", || {
        let scrape = daemon.scrape();
        let counted =
            Counts { reads: scrape.requests(name, "read"), writes: scrape.requests(name, "write") };
        assert!(
            counted.reads <= expected.reads && counted.writes <= expected.writes,
            "{name}: counted more than there was: {counted:?} of {expected:?}"
        );
        if counted == *expected {
            return Ok(scrape);
        }
        if since.elapsed() > SHORT {
            expected.reads += device.use_every_request();
            since = Instant::now();
        }
        Err(format!("{counted:?} of {expected:?}, lost {:?}", scrape.losses()))
    })
}
