//! While only some requests are followed, each one is followed whole or counted as left out.

use std::{thread, time::Duration};

use crate::{
    harness::{daemon::Daemon, load::Load, metrics::Scrape, patience::wait_long_for, turn::turn},
    kernel,
    null_blk::NullBlk,
    strict::strict,
};

/// In percent of a CPU: an emulated one needs most of that to follow no request.
const LIMIT: &str = "8";

/// How long the load goes on while requests are left out.
const WHILE: Duration = Duration::from_secs(5);

/// Between two looks: each costs more than the limit, while it lasts.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two looks while all is to return, which takes ten seconds below the limit.
const LONG_PAUSE: Duration = Duration::from_secs(15);

/// The part of requests that is followed, after a pause.
fn ratio(daemon: &Daemon, pause: Duration) -> f64 {
    thread::sleep(pause);
    daemon.scrape().sum("iotruth_sampling_ratio", &[])
}

/// Completions of requests that were not followed.
fn left_out(scrape: &Scrape) -> u64 {
    let of = |by| {
        let labels = [("event", "complete"), ("by", by)];
        scrape.existing("iotruth_events_left_out_total", &labels)
    };
    of("programs") + of("daemon")
}

#[test]
fn each_request_is_followed_whole_or_counted_as_left_out() {
    let _turn = turn();
    let device = NullBlk::new(&[("irqmode", "2"), ("submit_queues", "2")]);
    device.set_scheduler("mq-deadline");
    let name = device.name();
    let limit = ["--max-cpu-percent", LIMIT];
    let daemon = Daemon::start(&[kernel::SECOND_PROGRAMS, &limit].concat());
    let load = Load::start(&device.path(), 64 << 20, 4);
    wait_long_for("requests to be left out", || match ratio(&daemon, PAUSE) {
        ratio if ratio < 1.0 => Ok(()),
        _ => Err(daemon.scrape().sum("iotruth_cpus", &[]).to_string()),
    });
    thread::sleep(WHILE);
    let reads = load.stop();
    wait_long_for("every request to be followed again", || match ratio(&daemon, LONG_PAUSE) {
        ratio if ratio < 1.0 => Err(daemon.scrape().sum("iotruth_cpus", &[]).to_string()),
        _ => Ok(()),
    });

    let scrape = strict(&daemon, &[]);
    let extrapolated = scrape.count("iotruth_requests_extrapolated_total", &[("device", name)]);
    let followed = scrape.requests(name, "read") - extrapolated;
    let left_out = left_out(&scrape);
    println!(
        "{reads} reads: {followed} followed, {left_out} left out, {extrapolated} extrapolated"
    );
    assert!(extrapolated > 0 && left_out > 0);
    scrape.equal("followed or left out", followed + left_out, reads);
}
