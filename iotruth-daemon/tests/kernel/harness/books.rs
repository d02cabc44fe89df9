//! The books must balance: what the kernel saw = what was judged + what was lost.

use super::{daemon::Daemon, metrics::Scrape, patience::wait_for};

/// How many equal scrapes in a row mean that no event is on its way any more.
const EQUAL_SCRAPES: u32 = 4;

/// Waits until the event counters stand still, and checks that then every attempt was received or
/// counted as lost, and that requests, histograms and unjudged lives agree.
pub(crate) fn quiet(daemon: &Daemon) -> Scrape {
    let mut seen = (0, 0);
    let mut equal = 0;
    let scrape = wait_for("the event counters to stand still", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let scrape = daemon.scrape();
        let now = (attempts(&scrape), received(&scrape));
        equal = if now == seen { equal + 1 } else { 0 };
        seen = now;
        if equal >= EQUAL_SCRAPES { Ok(scrape) } else { Err(format!("{now:?}")) }
    });
    let (attempts, received) = seen;
    let lost = scrape.existing("iotruth_events_lost_total", &[("reason", "ring_full")]);
    assert_eq!(attempts, received + lost, "attempts = received + lost ({received} + {lost})");
    balanced(&scrape);
    scrape
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

fn attempts(scrape: &Scrape) -> u64 {
    scrape.existing("iotruth_event_attempts_total", &[])
}

fn received(scrape: &Scrape) -> u64 {
    scrape.existing("iotruth_events_total", &[])
}
