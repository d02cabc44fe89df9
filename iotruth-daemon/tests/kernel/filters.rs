//! Which devices are watched, and what a device is.

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    loop_device::LoopDevice,
    settle::{Counts, settle},
    tmpfs::Tmpfs,
    turn::turn,
};

/// Bytes of a device that are sound, where its file is cut.
const SOUND: u64 = 1 << 20;

/// Reads of a device.
const READS: u64 = 100;

/// Reads what is sound, and once what is gone. The error comes first, when no name is known yet.
fn torment(device: &LoopDevice) -> DirectFile {
    let mut file = DirectFile::open(device.path(), 4096);
    file.read(SOUND).expect_err("this part of the device is gone");
    for offset in Offsets::new(5, SOUND).take(READS as usize) {
        file.read(offset).expect("this part of the device is sound");
    }
    file
}

/// A device of which the second half is gone.
fn halved() -> LoopDevice {
    let device = LoopDevice::new(2);
    device.truncate(SOUND);
    device
}

#[test]
fn only_the_devices_that_are_named_are_shown() {
    let _turn = turn();
    let (wanted, other) = (halved(), halved());
    let daemon = Daemon::start(&["--device", wanted.name()]);
    let _other = torment(&other);
    let _wanted = torment(&wanted);
    let mut expected = Counts { reads: READS + 1, writes: 0 };
    settle(&daemon, &wanted, &mut expected);
    let scrape = quiet(&daemon);
    // The records of both were taken, and those of one are shown.
    assert!(scrape.existing("iotruth_events_total", &[]) >= 2 * 2 * (READS + 1));
    assert_eq!(scrape.mismatches(wanted.name()), daemon.all_mismatches(wanted.name()).len() as u64);
    let shown = daemon.mismatches();
    let [error] = shown.as_slice() else { panic!("one error was to be shown: {shown:?}") };
    assert_eq!((error.device(), error.kind()), (wanted.name(), "io_error"));
    assert_unknown(&daemon, &format!("{}\"", other.name()));
    let devices: Vec<String> = scrape.streams().into_iter().map(|(device, _)| device).collect();
    assert!(devices.iter().all(|device| device == wanted.name()), "{devices:?}");
}

#[test]
fn excluded_devices_and_their_errors_are_not_shown() {
    let _turn = turn();
    let device = halved();
    let daemon = Daemon::start(&["--exclude", "loop*"]);
    let before = quiet(&daemon).existing("iotruth_events_total", &[]);
    let _file = torment(&device);
    let scrape = quiet(&daemon);
    let events = scrape.existing("iotruth_events_total", &[]) - before;
    assert!(events >= 2 * (READS + 1), "{events} events: nothing was traced, nothing is tested");
    assert!(scrape.existing("iotruth_lives_ended_total", &[("end", "judged")]) > 0);
    assert_unknown(&daemon, "loop");
    let status = daemon.status();
    let said = |note: &&str| note.starts_with("Not all disks are watched (exclude = loop*)");
    assert_eq!(status.notes().iter().filter(|note| said(note)).count(), 1, "{status:?}");
}

/// Nothing that begins with a quote and this is anywhere in the answers, mere information included.
fn assert_unknown(daemon: &Daemon, name: &str) {
    for target in ["/metrics", "/mismatches?severity=all&limit=1000", "/status"] {
        let answer = daemon.get(target);
        assert!(!answer.contains(&format!("\"{name}")), "{target} shows {name}:\n{answer}");
    }
}

#[test]
fn a_partition_is_counted_with_its_disk() {
    /// Where the partition begins, in sectors.
    const START: u64 = 2048;
    let _turn = turn();
    let tmpfs = Tmpfs::new(5);
    let path = tmpfs.file("disk", 4 << 20);
    let device = LoopDevice::over(&path, &["--direct-io=on", "--partscan"]);
    let node = device.add_partition(START, 2048);
    let part = format!("{}p1", device.name());
    // The second half of the partition is gone.
    device.truncate((START + 1024) * 512);
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::open(&node, 4096);
    for offset in Offsets::new(6, 1024 * 512).take(READS as usize) {
        file.read(offset).expect("this part of the partition is sound");
    }
    file.read(1024 * 512).expect_err("this part of the partition is gone");
    let mut expected = Counts { reads: READS + 1, writes: 0 };
    let scrape = settle(&daemon, &device, &mut expected);
    assert!(!scrape.knows(&part), "the partition has series of its own");
    let shown = daemon.mismatches();
    let [error] = shown.as_slice() else { panic!("one error was to be shown: {shown:?}") };
    assert_eq!((error.device(), error.kind()), (device.name(), "io_error"));
    // What the kernel sends to a disk is counted from the disk's beginning.
    assert_eq!(error.sector(), Some(START + 1024));
    assert_unknown(&daemon, &part);
}
