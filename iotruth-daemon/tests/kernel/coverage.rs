//! What is counted here is what `/proc/diskstats` counts, whatever is asked of a device.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::harness::{
    audits::rest,
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    diskstats::DiskStats,
    ext4::Ext4,
    fio::Fio,
    loop_device::LoopDevice,
    patience::wait_for,
    run::run,
    status::Audit,
    turn::turn,
};

/// As often as can be.
const OFTEN: [&str; 2] = ["--audit-interval", "1s"];

/// Bytes of the device that are sound.
const SOUND: u64 = 48 << 20;

fn text(path: &Path) -> &str {
    path.to_str().expect("names of our own are plain")
}

/// Direct reads and writes, empty flushes, discards, zeroes, and an I/O error.
fn torment(device: &LoopDevice, seed: u64) {
    let mut file = DirectFile::open(device.path(), 4096);
    for offset in Offsets::new(seed, SOUND).take(300) {
        file.write(offset).expect("this part of the device is sound");
        file.read(offset).expect("this part of the device is sound");
    }
    file.flush().expect("our device can be flushed");
    file.read(SOUND + seed * 4096).expect_err("this part of the device is gone");
    let path = text(device.path());
    // Forced: it would look for signatures where the device is gone.
    run("blkdiscard", ["--force", "--offset", "1M", "--length", "2M", path]);
    run("blkdiscard", ["--force", "--zeroout", "--offset", "8M", "--length", "1M", path]);
}

/// Batches of neighbours, which merge in a scheduler.
fn batches(device: &LoopDevice) -> Fio {
    let batches = ["--rw=randwrite", "--bs=4k", "--size=256k", "--io_size=8m"];
    let depth = ["--iodepth=64", "--iodepth_batch_submit=16", "--iodepth_batch_complete_min=16"];
    Fio::start(device.path(), &[batches.as_slice(), &depth].concat())
}

/// Buffered writes, each made durable: the journal's flushes before and after its blocks.
fn write_files(directory: &Path, files: usize) {
    for number in 0..files {
        let path = directory.join(format!("file{number}"));
        let mut file = File::create(&path).expect("a file can be made");
        file.write_all(&vec![number as u8; 20_000]).expect("a file can be written");
        file.sync_all().expect("a file can be made durable");
        fs::remove_file(&path).expect("our file can be removed");
    }
}

/// Both sides must be equal in every column, and be what the disk itself says.
fn check(audit: &Audit, kernel: DiskStats) {
    assert_eq!(audit.coverage, Some(1.0), "{audit:?}");
    assert!(audit.without_residue(), "{audit:?}");
    assert_eq!(audit.ours, audit.kernel, "{audit:?}");
    let column = |name: &str| audit.kernel[name].unsigned_abs();
    assert_eq!((column("reads"), column("writes")), (kernel.reads, kernel.writes), "{audit:?}");
    assert_eq!(column("sectors_read") * 512, kernel.read_bytes, "{audit:?}");
    assert_eq!(column("sectors_written") * 512, kernel.written_bytes, "{audit:?}");
    assert_eq!((column("discards"), column("flushes")), (kernel.discards, kernel.flushes));
}

/// Punches a hole into a device over a file, which is a write of zeroes.
fn punch(daemon: &Daemon, directory: &Path) {
    let file = directory.join("inner");
    File::create_new(&file).expect("a file can be made").set_len(8 << 20).expect("it has room");
    let device = LoopDevice::over(&file, &[]);
    DirectFile::open(device.path(), 4096).read(0).expect("our device can be read");
    let before = rest(daemon, &device);
    let disk = DiskStats::of(device.name());
    run("fallocate", ["--punch-hole", "--offset", "1M", "--length", "1M", text(device.path())]);
    let audit = rest(daemon, &device);
    assert!(DiskStats::of(device.name()).since(disk).writes > 0, "nothing was written");
    assert!(audit.kernel["sectors_written"] >= before.kernel["sectors_written"] + 2048);
    assert_eq!((&audit.ours, audit.coverage), (&audit.kernel, Some(1.0)), "{audit:?}");
    assert!(audit.without_residue(), "{audit:?}");
}

#[test]
fn every_kind_of_request_is_in_both_books() {
    let _turn = turn();
    let device = LoopDevice::new(64);
    device.truncate(SOUND);
    let name = device.name();
    let disk = DiskStats::of(name);
    let daemon = Daemon::start(&OFTEN);
    for (seed, scheduler) in ["none", "mq-deadline", "kyber", "bfq"].into_iter().enumerate() {
        device.set_scheduler(scheduler);
        torment(&device, seed as u64);
        batches(&device).finish();
        check(&rest(&daemon, &device), DiskStats::of(name).since(disk));
    }
    let ext4 = Ext4::make(&device, true);
    write_files(ext4.path(), 50);
    ext4.sync();
    punch(&daemon, ext4.path());
    drop(ext4);
    let audit = rest(&daemon, &device);
    let kernel = DiskStats::of(name).since(disk);
    check(&audit, kernel);
    println!("{:?}", audit.kernel);
    let each = [kernel.reads, kernel.writes, kernel.write_merges, kernel.discards, kernel.flushes];
    assert!(each.iter().all(|count| *count > 0), "something is not tested: {kernel:?}");
    let scrape = daemon.scrape();
    assert_eq!(scrape.existing("iotruth_coverage_ratio", &[("device", name)]), 1);
    assert_eq!(scrape.existing("iotruth_ledger_residue_requests", &[("device", name)]), 0);
    assert_eq!(scrape.existing("iotruth_ledger_residue_sectors", &[("device", name)]), 0);
}

#[test]
fn no_audit_finds_a_residue_under_load() {
    const SECONDS: u64 = 30;
    let _turn = turn();
    let device = LoopDevice::new(64);
    device.truncate(SOUND);
    let files = LoopDevice::new(64);
    let ext4 = Ext4::make(&files, true);
    let daemon = Daemon::start(&OFTEN);
    let disk = DiskStats::of(device.name());
    let reads = ["--rw=randrw", "--bs=4k", "--size=32m", "--iodepth=16", "--numjobs=2"];
    let runtime = format!("--runtime={SECONDS}");
    let load = Fio::start(device.path(), &[&reads[..], &["--time_based", &runtime]].concat());
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut audits = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            while Instant::now() < end {
                write_files(ext4.path(), 10);
            }
        });
        scope.spawn(|| {
            let mut schedulers = ["none", "mq-deadline", "kyber", "bfq"].into_iter().cycle();
            let mut seed = 0;
            while Instant::now() < end {
                device.set_scheduler(schedulers.next().unwrap());
                torment(&device, seed);
                seed += 1;
            }
        });
        while Instant::now() < end {
            let status = daemon.status();
            for name in [device.name(), files.name()] {
                let Some(audit) = status.audit(name) else { continue };
                assert!(audit.without_residue(), "{name}: {audit:?}");
                if let Some(coverage) = audit.coverage {
                    assert!((coverage - 1.0).abs() < f64::EPSILON, "{name}: {audit:?}");
                }
                audits = audits.max(audit.audits);
            }
            thread::sleep(Duration::from_millis(200));
        }
    });
    load.finish();
    assert!(audits >= SECONDS / 3, "{audits} audits: that is hardly a test");
    for device in [&device, &files] {
        let audit = rest(&daemon, device);
        assert!(audit.without_residue() && audit.coverage == Some(1.0), "{audit:?}");
        assert_eq!(audit.ours, audit.kernel, "{audit:?}");
    }
    println!("{audits} audits of {:?}", DiskStats::of(device.name()).since(disk));
    assert_eq!(daemon.scrape().counted_losses(), 0);
}

#[test]
fn without_statistics_there_is_no_coverage_and_it_is_said_why() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let daemon = Daemon::start(&OFTEN);
    let mut file = DirectFile::open(device.path(), 4096);
    file.read(0).expect("our device can be read");
    assert_eq!(rest(&daemon, &device).coverage, Some(1.0));
    device.set("iostats", "0");
    file.read(0).expect("our device can be read");
    wait_for("the coverage to end", || {
        let audit = daemon.status().audit(device.name());
        match audit.as_ref().and_then(|audit| audit.incomparable.as_deref()) {
            Some(why) if why.contains("iostats") => Ok(()),
            _ => Err(format!("{audit:?}")),
        }
    });
    let scrape = daemon.scrape();
    assert_eq!(scrape.count("iotruth_coverage_ratio", &[("device", device.name())]), 0);
    // Counted again, from a baseline of its own.
    device.set("iostats", "1");
    file.read(0).expect("our device can be read");
    let audit = rest(&daemon, &device);
    assert!(audit.coverage == Some(1.0) && audit.without_residue(), "{audit:?}");
}

#[test]
fn a_device_that_is_attached_under_load_has_its_own_baseline() {
    let _turn = turn();
    let busy = LoopDevice::new(16);
    let reads = ["--rw=randread", "--bs=4k", "--size=16m", "--iodepth=32", "--time_based"];
    let load = Fio::start(busy.path(), &[&reads[..], &["--runtime=10"]].concat());
    // Its statistics go on while the programs are attached.
    thread::sleep(Duration::from_secs(1));
    let daemon = Daemon::start(&OFTEN);
    // The number of a loop device has been used by others, whose statistics it keeps.
    let late = LoopDevice::new(1);
    let mut file = DirectFile::open(late.path(), 4096);
    for _ in 0..100 {
        file.read(0).expect("our device can be read");
    }
    load.finish();
    for device in [&busy, &late] {
        let audit = rest(&daemon, device);
        let lost = daemon.scrape().counted_losses();
        assert!(audit.coverage == Some(1.0) && audit.without_residue(), "{lost} lost; {audit:?}");
    }
}
