//! What following the requests costs, by the daemon's own account and by the kernel's.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::harness::{
    books::quiet, daemon::Daemon, fio::Fio, loop_device::LoopDevice, metrics::Scrape,
    patience::wait_for, turn::turn, witness::Witness,
};

/// What is measured at a time.
const WHILE: Duration = Duration::from_secs(5);

/// What a run of a program may take on any machine that this runs on, in seconds.
const RUN: std::ops::Range<f64> = 10e-9..20e-6;

/// User and system time of a process.
fn seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the daemon runs");
    let fields = stat.rsplit_once(')').expect("a name in parentheses").1;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|field| field.parse::<u64>().expect("ticks"));
    ticks.sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn programs(scrape: &Scrape, tracepoint: &str) -> f64 {
    scrape.sum("iotruth_program_seconds_total", &[("program", tracepoint)])
}

#[test]
fn the_account_of_the_daemon_is_that_of_the_kernel() {
    let _turn = turn();
    let device = LoopDevice::new(256);
    let witness = Witness::new();
    let daemon = Daemon::spawn(&[], |_| {}).ready();
    let before = quiet(&daemon);
    let reads = ["--rw=randread", "--bs=4k", "--size=256m", "--iodepth=32", "--numjobs=2"];
    let load = Fio::start(device.path(), &[&reads[..], &["--time_based", "--runtime=40"]].concat());
    thread::sleep(Duration::from_secs(2));
    let account = wait_for("the daemon and /proc to agree", || {
        let (at, used) = (Instant::now(), seconds(daemon.pid()));
        let mut account = 0.0;
        let looks = WHILE.as_secs() as u32;
        for _ in 0..looks {
            thread::sleep(WHILE / looks);
            account += daemon.scrape().sum("iotruth_cpus", &[("part", "daemon")]);
        }
        let account = account / f64::from(looks);
        let used = (seconds(daemon.pid()) - used) / at.elapsed().as_secs_f64();
        // `/proc` counts whole ticks, and the load goes up and down from second to second.
        let agree = account > 0.0 && (account - used).abs() < 0.2 * used.max(account) + 0.01;
        let both = format!("{account:.4} CPUs by its own account, {used:.4} by /proc");
        if agree { Ok(both) } else { Err(both) }
    });
    let during = daemon.scrape();
    assert!(during.sum("iotruth_cpus", &[("part", "programs")]) > 0.0);
    let fill = during.sum("iotruth_ring_fill_ratio", &[]);
    assert!(fill > 0.0 && fill <= 1.0, "rings are {fill} full");
    let done = load.finish();

    let after = quiet(&daemon);
    // The account is a second old at most.
    thread::sleep(Duration::from_secs(2));
    let last = daemon.scrape();
    let unseen = witness.sighted(device.name()).possible();
    for (tracepoint, event) in [("block_rq_issue", "issue"), ("block_rq_complete", "complete")] {
        let runs = |scrape: &Scrape| scrape.existing("iotruth_events_total", &[("kind", event)]);
        let events = (runs(&after) - runs(&before)) as f64;
        let run = (programs(&last, tracepoint) - programs(&before, tracepoint)) / events;
        println!("{account}; {:.0} ns for each run of {tracepoint}", run * 1e9);
        assert!(RUN.contains(&run), "{run} s for each run of {tracepoint}");
        let unseen = if event == "complete" { unseen } else { 0 };
        let seen = (done.reads - unseen) as f64;
        assert!(events >= seen, "{events} {event}s for {} reads, {unseen} unseen", done.reads);
    }
    assert_eq!(after.counted_losses(), 0);
}
