//! The books must balance: what the kernel saw = what was judged + what was lost.

use std::time::{Duration, SystemTime};

use super::{daemon::Daemon, metrics::Scrape, patience::wait_for};

/// How far the daemon's wall time may be from this process's: it follows the monotonic clock, from where both
/// were read last, at most a second ago.
const SLACK: Duration = Duration::from_millis(1);

/// Waits until all that has happened so far is shown.
pub(crate) fn shown(daemon: &Daemon) {
    let now = SystemTime::now() + SLACK;
    wait_for("the daemon to show all that has happened", || {
        let until = daemon.status().complete_until();
        if until >= now { Ok(()) } else { Err(format!("only until {until:?}, not {now:?}")) }
    });
}

/// Waits until all that has happened so far is shown and the events balance: every attempt was
/// received, or counted as lost. Then requests, histograms and unjudged lives must agree too.
///
/// The machine's own disk is never quite quiet; attempts that were not lost arrive all the same.
pub(crate) fn quiet(daemon: &Daemon) -> Scrape {
    shown(daemon);
    let scrape = wait_for("attempts = received + lost, once all is quiet", || {
        let scrape = daemon.scrape();
        let [attempts, received, refused] = events(&scrape);
        if attempts == received + refused {
            Ok(scrape)
        } else {
            Err(format!("{attempts} attempts, {received} received, {refused} refused"))
        }
    });
    balanced(&scrape);
    scrape
}

/// Attempts, records that were received, and records that were refused.
pub(crate) fn events(scrape: &Scrape) -> [u64; 3] {
    let refused = scrape.existing("iotruth_events_lost_total", &[("reason", "ring_full")]);
    let [attempts, received] = ["iotruth_event_attempts_total", "iotruth_events_total"]
        .map(|name| scrape.existing(name, &[]));
    [attempts, received, refused]
}

/// For every device and operation: requests = measured + unjudged + without this phase. And no
/// order of events was seen that neither the kernel nor a loss can explain.
pub(crate) fn balanced(scrape: &Scrape) {
    for (device, op) in scrape.streams() {
        let requests = scrape.requests(&device, op);
        let unjudged = scrape.unjudged(&device, op);
        for phase in ["queue", "device", "total"] {
            let measured = scrape.measured(&device, op, phase);
            let unknown = scrape.phase_unknown(&device, op, phase);
            assert_eq!(
                requests,
                measured + unjudged + unknown,
                "{device} {op} {phase}: requests = {measured} measured + {unjudged} unjudged \
                 + {unknown} without this phase"
            );
        }
        let (whole, parts) = sums(scrape, &device, op);
        // Sums are printed in seconds, so that each may be off by its last binary digit.
        assert!(
            (whole - parts).abs() <= 1.0 + whole * 1e-12,
            "{device} {op}: phases add up to {parts} ns of {whole} ns"
        );
    }
    assert_eq!(scrape.existing("iotruth_impossible_orders_total", &[]), 0, "bugs of ours");
}

/// The sum of the totals, and of all the phases.
fn sums(scrape: &Scrape, device: &str, op: &str) -> (f64, f64) {
    let parts = ["queue", "retry", "device", "flush"];
    let parts = parts.iter().map(|phase| scrape.nanoseconds(device, op, phase)).sum();
    (scrape.nanoseconds(device, op, "total"), parts)
}
