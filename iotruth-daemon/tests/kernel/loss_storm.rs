//! A storm of losses: rings of one page at full speed.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use crate::harness::{
    audits::rest,
    books::quiet,
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    diskstats::DiskStats,
    fio::Fio,
    loop_device::LoopDevice,
    mismatches::Entry,
    patience::wait_long_for,
    status::Audit,
    turn::turn,
};

/// How long it lasts.
const SECONDS: u64 = 60;

/// How many devices are made at most to find two in rings of their own.
const DEVICES: usize = 12;

/// Errors of the quiet device, ten in a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads after the storm, and the pause after each: a tenth of what a ring of one page can take.
const AFTERWARDS: usize = 100;
const PACE: Duration = Duration::from_millis(25);

/// How far the coverage may be from the truth.
const EXACT: f64 = 0.001;

#[test]
fn all_losses_are_counted_and_none_feigns_a_mismatch() {
    let _turn = turn();
    // Every ring is one page, which has room for thirty records.
    let interval = format!("{}s", SECONDS / 4);
    let daemon =
        Daemon::start(&["--rings", "16", "--ring-budget", "64KiB", "--audit-interval", &interval]);
    let (stormy, (calm, calm_ring)) = apart(&daemon);
    calm.truncate(0);
    let name = stormy.name();

    let calm_before = rest(&daemon, &stormy);
    let before = quiet(&daemon);
    let calm_lost = daemon.status().lost_by_ring()[calm_ring];
    let disk = DiskStats::of(name);
    let reads = ["--rw=randread", "--bs=4k", "--size=16m", "--iodepth=32", "--numjobs=2"];
    let runtime = format!("--runtime={SECONDS}");
    let load = Fio::start(stormy.path(), &[&reads[..], &["--time_based", &runtime]].concat());
    let mut file = DirectFile::open(calm.path(), 4096);
    let mut provoked = BTreeSet::new();
    let end = Instant::now() + Duration::from_secs(SECONDS);
    while Instant::now() < end {
        let sector = provoked.len() as u64 * 8;
        file.read(sector * 512).expect_err("there is nothing to read");
        provoked.insert(sector);
        thread::sleep(PAUSE);
    }
    let stormy_audit = daemon.status().audit(name).expect("a busy device is audited");
    assert!(!stormy_audit.at_rest, "{stormy_audit:?}");
    let done = load.finish();

    // The first audit after the storm at which the device is at rest is of the storm as a whole.
    let audit = rest_after(&daemon, name, &stormy_audit);
    let after = quiet(&daemon);
    let kernel = DiskStats::of(name).since(disk);
    assert_eq!(kernel.reads + kernel.read_merges, done.reads, "fio and the kernel");
    let status = daemon.status();
    assert!(status.unbalanced_events().is_empty(), "{:?}", status.unbalanced_events());
    assert!(status.lives_balance(), "{status:?}");
    let lost = after.existing("iotruth_events_lost_total", &[("reason", "ring_full")]);
    let received = after.existing("iotruth_events_total", &[]);
    let counted = after.requests(name, "read") - before.requests(name, "read");
    let truth = counted as f64 / kernel.reads as f64;
    println!(
        "{SECONDS} s, {} reads, {received} records received, {lost} lost, {counted} reads seen: \
         {truth:.6}; coverage {:?}",
        kernel.reads, audit.coverage
    );
    assert!(lost > 50_000 * SECONDS, "{lost} lost: that is no storm");
    let coverage = audit.coverage.expect("the device can be compared");
    assert!((coverage - truth).abs() < EXACT, "{coverage} is not {truth}: {audit:?}");
    let missing = i64::try_from(kernel.reads - counted).unwrap();
    assert_eq!(calm_before.residue["reads"] - audit.residue["reads"], missing, "{audit:?}");

    // The errors of the quiet device, and nothing else on any device of ours. One that is not shown was
    // refused by its ring, where the machine's own disk may have written meanwhile, and counted.
    assert_eq!(after.mismatches(name), 0, "{:?}", daemon.all_mismatches(name));
    let shown = daemon.mismatches();
    for entry in &shown {
        assert_eq!((entry.device(), entry.kind()), (calm.name(), "io_error"), "{entry:?}");
        assert_eq!((entry.bytes(), entry.count()), (4096, 1), "{entry:?}");
    }
    let sectors: BTreeSet<u64> = shown.iter().filter_map(Entry::sector).collect();
    let refused = daemon.status().lost_by_ring()[calm_ring] - calm_lost;
    let missing = provoked.difference(&sectors).count() as u64;
    println!("{} errors provoked, {missing} not shown, {refused} records refused", provoked.len());
    assert!(sectors.is_subset(&provoked), "{sectors:?} of {provoked:?}");
    assert!(missing <= refused, "{missing} of {} are not shown: {shown:?}", provoked.len());
    assert!(missing * 10 <= provoked.len() as u64, "{missing} of {} are not shown", provoked.len());

    // What comes after the storm is judged again. A ring of one page is small for that too.
    let disk = DiskStats::of(name);
    let mut file = DirectFile::open(stormy.path(), 4096);
    for offset in Offsets::new(9, 16 << 20).take(AFTERWARDS) {
        file.read(offset).expect("our device can be read");
        thread::sleep(PACE);
    }
    let before = daemon.status().audit(name).expect("the device is audited");
    let audit = rest_after(&daemon, name, &before);
    let judged = quiet(&daemon);
    let kernel = DiskStats::of(name).since(disk).reads;
    let counted = judged.requests(name, "read") - after.requests(name, "read");
    let measured = judged.measured(name, "read", "total") - after.measured(name, "read", "total");
    println!("{kernel} reads afterwards, {counted} seen, {measured} judged: {audit:?}");
    let truth = counted as f64 / kernel as f64;
    let coverage = audit.coverage.expect("the device can be compared");
    assert!((coverage - truth).abs() < EXACT, "{coverage} is not {truth}: {audit:?}");
    assert!(measured * 10 >= AFTERWARDS as u64 * 9, "{measured} of {AFTERWARDS} were judged");
}

/// Waits for the first audit at which the device is at rest.
fn rest_after(daemon: &Daemon, name: &str, before: &Audit) -> Audit {
    wait_long_for("an audit at rest", || match daemon.status().audit(name) {
        Some(audit) if audit.at_rest && audit.audits > before.audits => Ok(audit),
        other => Err(format!("{other:?}")),
    })
}

/// Two devices in two rings, in neither of which anybody else writes, and the ring of the second.
fn apart(daemon: &Daemon) -> (LoopDevice, (LoopDevice, usize)) {
    let others = added(daemon, || thread::sleep(Duration::from_secs(1)));
    // Those that will not do are kept until the search is over: the next one would get the memory
    // of one that is gone, and with it the ring.
    let mut devices: Vec<(LoopDevice, usize)> = Vec::new();
    for _ in 0..DEVICES {
        let device = LoopDevice::new(16);
        let mut file = DirectFile::open(device.path(), 4096);
        let rings = added(daemon, || {
            for offset in Offsets::new(4, 16 << 20).take(2_000) {
                file.read(offset).expect("our device can be read");
            }
        });
        let most = rings.iter().copied().max().unwrap_or_default();
        let ring = rings.iter().position(|records| *records == most).unwrap();
        devices.push((device, ring));
        let own = |of: usize| others[of] == 0 && of != ring;
        if others[ring] == 0
            && let Some(first) = devices.iter().position(|(_, other)| own(*other))
        {
            let second = devices.swap_remove(devices.len() - 1);
            return (devices.swap_remove(first).0, second);
        }
    }
    let rings: Vec<_> = devices.iter().map(|(_, ring)| ring).collect();
    panic!("no two of {DEVICES} devices have rings of their own: {rings:?}; others use {others:?}")
}

/// What each ring was tried for while something was done.
fn added(daemon: &Daemon, act: impl FnOnce()) -> Vec<u64> {
    quiet(daemon);
    let before = daemon.status().attempts_by_ring();
    act();
    quiet(daemon);
    let after = daemon.status().attempts_by_ring();
    after.iter().zip(before).map(|(after, before)| after - before).collect()
}
