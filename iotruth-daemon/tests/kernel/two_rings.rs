//! Several rings: each hardware queue keeps to one of them.

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    load::Load,
    loop_device::LoopDevice,
    settle::{Counts, settle},
    turn::turn,
    witness::Witness,
};

/// How many devices are made at most to find two in different rings.
const DEVICES: usize = 8;

/// Reads by which the ring of a device is found.
const READS: usize = 5_000;

#[test]
fn two_devices_fill_two_rings_and_no_life_crosses() {
    check(&["--transport", "ring-buffers", "--rings", "8", "--readers", "2"], 8);
}

#[test]
fn they_do_so_where_each_cpu_has_rings_for_each_reader() {
    check(&["--transport", "per-cpu", "--readers", "4"], 4);
}

fn check(arguments: &[&str], rings: usize) {
    let _turn = turn();
    let witness = Witness::new();
    let daemon = Daemon::start(arguments);
    let mut devices: Vec<(LoopDevice, usize)> = Vec::new();
    for _ in 0..DEVICES {
        let device = LoopDevice::new(4);
        let ring = ring_of(&daemon, &device, rings);
        devices.push((device, ring));
        if devices.iter().any(|(_, other)| *other != ring) {
            break;
        }
    }
    let (one, first) = devices.first().unwrap();
    let (other, second) = devices.last().unwrap();
    assert_ne!(first, second, "all of {} devices are in the same ring", devices.len());

    let before = quiet(&daemon);
    let loads = [one, other].map(|device| (device, Load::start(device.path(), 4 << 20, 2)));
    std::thread::sleep(std::time::Duration::from_secs(1));
    let done = loads.map(|(device, load)| (device, load.stop()));
    for (device, reads) in done {
        let name = device.name();
        let mut expected = Counts {
            reads: before.requests(name, "read") + reads,
            writes: before.requests(name, "write"),
        };
        let scrape = settle(&daemon, device, &mut expected);
        // A life that crossed rings would have lost its end.
        let inferred = scrape.unjudged_for(name, "inferred");
        witness.confirm(name, inferred, reads);
        assert_eq!(scrape.unjudged(name, "read"), inferred);
        assert_eq!(scrape.mismatches(name), 0);
    }
    assert_eq!(quiet(&daemon).counted_losses(), 0);
}

/// The ring that fills when this device reads.
fn ring_of(daemon: &Daemon, device: &LoopDevice, rings: usize) -> usize {
    let mut file = DirectFile::open(device.path(), 4096);
    file.read(0).expect("our device can be read");
    quiet(daemon);
    let before = daemon.status().received_by_ring();
    assert_eq!(before.len(), rings, "as many rings as were asked for");
    for offset in Offsets::new(4, 4 << 20).take(READS) {
        file.read(offset).expect("our device can be read");
    }
    quiet(daemon);
    let after = daemon.status().received_by_ring();
    let added: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    // Each read is two records at least, and others on this machine do less meanwhile.
    let most = added.iter().copied().max().unwrap_or_default();
    assert!(most >= 2 * READS as u64 * 99 / 100, "no ring was filled: {added:?}");
    added.iter().position(|records| *records == most).unwrap()
}
