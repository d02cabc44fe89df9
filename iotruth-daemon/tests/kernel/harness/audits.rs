//! The ledger: what the daemon counted against the kernel's own statistics.

use std::time::{Duration, Instant};

use super::{
    books::shown, daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice,
    patience::wait_long_for, status::Audit,
};

/// After this long without rest, an end was not seen and its request is used again.
const SHORT: Duration = Duration::from_secs(4);

/// Waits for an audit that began after this call and found the device at rest.
///
/// Ends that the kernel did not show keep a device from rest. They are known to have been when their
/// requests are used again, which is done here: the flush request of the device, and all others.
pub(crate) fn rest(daemon: &Daemon, device: &LoopDevice) -> Audit {
    let name = device.name();
    // All audits that have ended are shown then.
    shown(daemon);
    let before = daemon.status().audit(name).map_or(0, |audit| audit.audits);
    let mut since = Instant::now();
    wait_long_for("an audit of the device at rest", || {
        // The next one may be under way already, and the one after it is not.
        match daemon.status().audit(name) {
            Some(audit) if audit.at_rest && audit.audits >= before + 2 => Ok(audit),
            other => {
                let restless = other.as_ref().is_some_and(|audit| !audit.at_rest);
                if restless && since.elapsed() > SHORT {
                    let file = DirectFile::open(device.path(), 4096);
                    file.flush().expect("our device can be flushed");
                    device.use_every_request();
                    since = Instant::now();
                }
                Err(format!("{other:?}"))
            }
        }
    })
}
