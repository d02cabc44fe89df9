//! A minute at full speed: nothing is lost, and memory stays small.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    diskstats::DiskStats,
    fio::Fio,
    loop_device::LoopDevice,
    settle::{Counts, settle},
    turn::turn,
    witness::Witness,
};

/// What the daemon may keep in anonymous memory. The pages of its rings are the kernel's, and are not
/// in `RssAnon`.
const MEMORY: u64 = 40 << 20;

#[test]
fn a_minute_of_random_reads_is_counted_without_loss() {
    let _turn = turn();
    let device = LoopDevice::new(256);
    let name = device.name();
    let witness = Witness::new();
    let daemon = Daemon::start(&[]);
    let before = quiet(&daemon);
    let disk = DiskStats::of(name);
    let reads = ["--rw=randread", "--bs=4k", "--size=256m", "--iodepth=32", "--numjobs=2"];
    let load = Fio::start(device.path(), &[&reads[..], &["--time_based", "--runtime=60"]].concat());
    let most = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(anonymous_memory(daemon.pid()), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let done = load.finish();
        over.store(true, Ordering::Relaxed);
        done
    });

    let kernel = DiskStats::of(name).since(disk);
    let mut expected = Counts {
        reads: before.requests(name, "read") + done.reads - kernel.read_merges,
        writes: before.requests(name, "write"),
    };
    let planned = expected;
    let scrape = settle(&daemon, &device, &mut expected);
    let after = quiet(&daemon);
    let inferred = after.unjudged_for(name, "inferred");
    println!(
        "{} reads, {} merges, {} bytes of anonymous memory",
        done.reads,
        kernel.read_merges,
        most.load(Ordering::Relaxed)
    );
    assert_eq!(after.counted_losses(), 0);
    let bytes = scrape.bytes(name, "read") - before.bytes(name, "read");
    assert_eq!(bytes, done.read_bytes + (expected.reads - planned.reads) * 4096);
    witness.confirm(name, inferred, done.reads);
    assert_eq!(after.unjudged(name, "read"), inferred);
    assert_eq!(scrape.mismatches(name), 0, "{:?}", daemon.all_mismatches(name));
    let most = most.load(Ordering::Relaxed);
    assert!(most < MEMORY, "{most} bytes of anonymous memory, {MEMORY} are allowed");
}

/// `RssAnon` of a process, in bytes.
fn anonymous_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    kibibytes.and_then(|number| number.parse::<u64>().ok()).expect("RssAnon is a number") << 10
}
