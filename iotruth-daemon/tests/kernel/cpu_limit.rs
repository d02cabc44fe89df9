//! A limit of CPU time is held, what is left out is counted and said, and all returns by itself.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    diskstats::DiskStats,
    fio::Fio,
    loop_device::LoopDevice,
    metrics::Scrape,
    patience::wait_long_for,
    turn::turn,
    witness::Witness,
};

/// What may be used, of what it takes to follow all of the load: about twice of what it takes to leave all
/// of it out.
const LIMIT: f64 = 0.6;

/// How far the limit may be exceeded.
const TOLERANCE: f64 = 1.2;

/// What is measured at a time.
const WHILE: Duration = Duration::from_secs(5);

/// Requests that may be told in part, around the changes of what is followed.
const IN_PART: u64 = 5_000;

/// Direct reads after all has returned.
const READS: u64 = 500;

/// CPU time of the daemon by `/proc`, of its programs by its own account, and when.
struct Used {
    at: Instant,
    daemon: f64,
    programs: f64,
}

impl Used {
    fn now(daemon: &Daemon) -> Self {
        let programs = daemon.scrape().sum("iotruth_program_seconds_total", &[]);
        Self { at: Instant::now(), daemon: seconds(daemon.pid()), programs }
    }

    /// CPUs since then: of the daemon, and of both.
    fn since(&self, before: &Self) -> (f64, f64) {
        let elapsed = (self.at - before.at).as_secs_f64();
        let daemon = self.daemon - before.daemon;
        (daemon / elapsed, (daemon + self.programs - before.programs) / elapsed)
    }
}

/// User and system time of a process.
fn seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the daemon runs");
    let fields = stat.rsplit_once(')').expect("a name in parentheses").1;
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
    ticks.sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// As many completions as there can have been of other disks than this one: a flush has one of its own and
/// one of who asked for it, and few requests end in more than one step.
fn others_than(device: &str) -> u64 {
    let disks = fs::read_dir("/sys/block").expect("the kernel has disks");
    let names = disks.map(|disk| disk.expect("they can be listed").file_name());
    let names = names.map(|name| name.into_string().expect("names of disks are plain"));
    let of = |name: String| {
        let DiskStats { reads, writes, discards, flushes, .. } = DiskStats::of(&name);
        2 * (reads + writes + discards + flushes)
    };
    names.filter(|name| name != device).map(of).sum()
}

fn ratio(scrape: &Scrape) -> f64 {
    scrape.sum("iotruth_sampling_ratio", &[])
}

fn follows_all(scrape: &Scrape) -> bool {
    ratio(scrape) >= 1.0
}

/// 100,000 reads a second, for so long.
fn load(device: &LoopDevice, time: &str) -> Fio {
    let reads = ["--rw=randread", "--bs=4k", "--size=256m", "--iodepth=32", "--numjobs=2"];
    let rate = ["--time_based", "--rate_iops=50000", time];
    Fio::start(device.path(), &[&reads[..], &rate[..]].concat())
}

/// CPUs that it takes to follow all of the load on this machine.
fn all_of(device: &LoopDevice) -> f64 {
    let daemon = Daemon::spawn(&[], |_| {}).ready();
    let load = load(device, "--runtime=8");
    thread::sleep(Duration::from_secs(2));
    let before = Used::now(&daemon);
    thread::sleep(WHILE);
    let (_, both) = Used::now(&daemon).since(&before);
    load.finish();
    both
}

#[test]
fn a_limit_is_held_and_what_is_left_out_is_said() {
    let _turn = turn();
    let device = LoopDevice::new(256);
    let name = device.name();
    let witness = Witness::new();
    let all = all_of(&device);
    // Rounded up it may be so near to all of it that it is enough to look up no owners.
    let limit = (100.0 * LIMIT * all).round().max(1.0);
    println!("{limit} % of a CPU may be used, and following all of it takes {:.1} %", 100.0 * all);
    let limit_cpus = limit / 100.0;
    let limit = limit.to_string();
    let arguments = ["--max-cpu-percent", &limit, "--audit-interval", "1s"];
    let daemon = Daemon::spawn(&arguments, |_| {}).ready();
    let before = quiet(&daemon);
    let others = others_than(name);
    assert!(follows_all(&before), "nothing has to be saved");
    let load = load(&device, "--runtime=45");

    let (share, both, told, during) = wait_long_for("the limit to be held", || {
        let before = Used::now(&daemon);
        thread::sleep(WHILE);
        let (share, both) = Used::now(&daemon).since(&before);
        // Not when the load is over.
        let (least, most) = (limit_cpus / 4.0, TOLERANCE * limit_cpus);
        let scrape = daemon.scrape();
        // It tells of the last second, and `/proc` counts ticks.
        let told = scrape.sum("iotruth_cpus", &[("part", "daemon")]);
        let agreed = (told - share).abs() < 0.02;
        if (least..=most).contains(&both) && agreed && !follows_all(&scrape) {
            Ok((share, both, told, scrape))
        } else {
            let ratio = ratio(&scrape);
            Err(format!(
                "{both:.4} CPUs are used, {most} may be; {share:.4} are the daemon's, and {told:.4} by its \
                 own account; {ratio} of all is followed"
            ))
        }
    });
    println!(
        "{:.4} CPUs, {share:.4} of them the daemon's and {told:.4} by its own account; {} of the requests \
         are followed",
        both,
        ratio(&during)
    );
    assert_eq!(during.existing("iotruth_owners_known", &[]), 0);
    let notes = daemon.ask("/status").expect("it answers").body;
    assert!(notes.contains("one request in"), "{notes}");
    let done = load.finish();

    let after = wait_long_for("every request to be followed again", || {
        let scrape = daemon.scrape();
        if follows_all(&scrape) { Ok(scrape) } else { Err(ratio(&scrape).to_string()) }
    });
    // Of each request either all is told or nothing, and nothing else is missing.
    let [ends, passed_over] = ["programs", "daemon"].map(|by| {
        let labels = [("event", "complete"), ("by", by)];
        after.existing("iotruth_events_left_out_total", &labels)
    });
    let extrapolated = after.count("iotruth_requests_extrapolated_total", &[("device", name)]);
    let estimate = after.requests(name, "read") - before.requests(name, "read");
    let given_up = after.existing("iotruth_lives_ended_total", &[("end", "given_up")]);
    println!(
        "{} reads, {ends} left out and {passed_over} passed over, {given_up} given up, {estimate} by the estimate",
        done.reads
    );
    assert!(ends > done.reads / 8 && extrapolated > 0, "{ends} of {} left out", done.reads);
    // Around a change only, or else programs and engine choose differently.
    assert!(passed_over < done.reads / 20, "{passed_over} of {} passed over", done.reads);
    let accounted = estimate - extrapolated + ends + passed_over;
    let unseen = witness.sighted(name).possible();
    // What other disks did may be among what was left out.
    let others = others_than(name) - others;
    let most = done.reads + others.max(IN_PART);
    let possible = done.reads - given_up.min(IN_PART) - unseen..=most;
    assert!(
        possible.contains(&accounted),
        "{accounted} of {}, {given_up} given up, {unseen} unseen, {others} of other disks",
        done.reads
    );
    assert_eq!(after.counted_losses(), 0);
    assert_eq!(after.mismatches(name), 0, "{:?}", daemon.all_mismatches(name));

    wait_long_for("owners to be looked up again", || {
        let known = daemon.scrape().existing("iotruth_owners_known", &[]) == 1;
        if known { Ok(()) } else { Err("not yet".to_owned()) }
    });

    // From here on every request is seen again, and that is compared again.
    let mut file = DirectFile::open(device.path(), 4096);
    for offset in Offsets::new(3, 64 << 20).take(READS as usize) {
        file.read(offset).expect("our device can be read");
    }
    let end = quiet(&daemon);
    assert_eq!(end.requests(name, "read") - after.requests(name, "read"), READS);
    let now = end.count("iotruth_requests_extrapolated_total", &[("device", name)]);
    assert_eq!(now, extrapolated);
    wait_long_for("coverage to be known again", || {
        let coverage = daemon.scrape().sum("iotruth_coverage_ratio", &[("device", name)]);
        if coverage >= 1.0 { Ok(()) } else { Err(coverage.to_string()) }
    });
}
