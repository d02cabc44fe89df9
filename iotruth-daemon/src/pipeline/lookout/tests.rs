#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Lookout, PATIENCE, PROBE, Surroundings};
use crate::{
    config::{Config, Pattern},
    engine::{Engine, device::DeviceId},
    pipeline::{
        auditor::Auditor,
        clock,
        fake::{self, Tree},
    },
};

const SDA: DeviceId = DeviceId { number: 8 << 20, sequence: 3 };
const SDB: DeviceId = DeviceId { number: 8 << 20 | 16, sequence: 4 };

/// A lookout over a tree, and the engine that it serves.
struct Bench {
    tree: Tree,
    /// Whether it is looked who is still there.
    looks: bool,
    lookout: Lookout,
    engine: Engine,
    _auditor: Auditor,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self::with(config, PROBE)
    }

    fn with(config: Config, probe: Duration) -> Self {
        let tree = Tree::new();
        let config = Arc::new(config);
        let (auditor, _) = Auditor::start(Arc::clone(&config), 0, tree.places()).unwrap();
        let surroundings = Surroundings {
            config,
            places: tree.places(),
            sequenced: true,
            probe,
            herald: auditor.herald(),
        };
        let (lookout, _) = Lookout::start(0, surroundings).unwrap();
        Self { tree, looks: true, lookout, engine: fake::engine(), _auditor: auditor }
    }

    /// Goes round once.
    fn round(&mut self) {
        self.lookout.tell(|input| {
            self.engine.feed(input);
        });
        self.lookout.ask(&mut self.engine, self.looks);
    }

    /// Goes round until no device is thought to be there.
    fn until_gone(&mut self) {
        let begin = Instant::now();
        while self.engine.present_devices().next().is_some() {
            assert!(begin.elapsed().as_secs() < 20, "it is there still");
            self.round();
            std::thread::yield_now();
        }
    }

    /// Errors that are shown of a device.
    fn errors(&self, id: DeviceId) -> u64 {
        let snapshot = self.engine.snapshot(clock::monotonic());
        let errors =
            snapshot.devices[&id].operations.iter().flatten().map(|figures| figures.errors);
        errors.flatten().sum()
    }

    /// Goes round until the devices that are shown are these, by their names.
    fn until(&mut self, expected: &[(&str, DeviceId)]) {
        let begin = Instant::now();
        let expected: BTreeMap<DeviceId, String> =
            expected.iter().map(|(name, id)| (*id, (*name).to_owned())).collect();
        loop {
            self.round();
            let shown = self.engine.snapshot(clock::monotonic()).devices;
            let shown: BTreeMap<DeviceId, String> =
                shown.into_values().map(|device| (device.id, device.name)).collect();
            if shown == expected {
                return;
            }
            assert!(begin.elapsed().as_secs() < 20, "{shown:?}, not {expected:?}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_timeout_that_cannot_be_read_hides_no_device() {
    let mut bench = Bench::new(Config::default());
    bench.tree.add("sda", SDA);
    bench.tree.hang("sda/queue/io_timeout");
    bench.tree.add("sdb", SDB);
    let begin = Instant::now();
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("sda", SDA)]);
    fake::issue(&mut bench.engine, SDB, 0);
    bench.until(&[("sda", SDA), ("sdb", SDB)]);
    assert!(begin.elapsed() < PATIENCE, "that were their numbers");
    bench.tree.free("sda/queue/io_timeout", "30000");
}

#[test]
fn a_device_whose_name_cannot_be_had_is_shown_under_its_number_for_so_long() {
    let mut bench = Bench::new(Config::default());
    bench.tree.add("sda", SDA);
    bench.tree.hang("sda/diskseq");
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[]);
    bench.until(&[("8:0", SDA)]);
    // Read twice: to see that it is the one that is meant, and whether it is there still.
    bench.tree.free("sda/diskseq", "3");
    bench.until(&[("sda", SDA)]);
}

#[test]
fn a_number_is_no_name_that_is_watched() {
    let device = vec![Pattern::new("sd*").unwrap()];
    let mut bench = Bench::new(Config { device, ..Config::default() });
    bench.tree.add("sda", SDA);
    bench.tree.hang("sda/diskseq");
    fake::issue(&mut bench.engine, SDA, 0);
    bench.lookout.ask(&mut bench.engine, false);
    std::thread::sleep(PATIENCE);
    bench.until(&[]);
    bench.tree.free("sda/diskseq", "3");
    bench.until(&[("sda", SDA)]);
}

#[test]
fn a_number_is_known_by_its_disk() {
    let mut bench = Bench::new(Config::default());
    bench.tree.add("sda", SDA);
    fake::refuse(&mut bench.engine, SDA);
    bench.until(&[("sda", SDA)]);
}

#[test]
fn a_number_that_nobody_has_ends() {
    let mut bench = Bench::new(Config::default());
    bench.looks = false;
    fake::refuse(&mut bench.engine, SDA);
    bench.until(&[("8:0", DeviceId { sequence: 0, ..SDA })]);
    bench.looks = true;
    bench.until(&[]);
    // Nor does the next disk of that number have it.
    bench.tree.add("sda", SDA);
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("sda", SDA)]);
    assert_eq!(bench.errors(SDA), 0);
}

#[test]
fn a_number_alone_is_not_the_next_disk_that_has_it() {
    let mut bench = Bench::new(Config::default());
    bench.looks = false;
    fake::refuse(&mut bench.engine, SDA);
    bench.until(&[("8:0", DeviceId { sequence: 0, ..SDA })]);
    bench.tree.add("sda", SDA);
    bench.looks = true;
    bench.until_gone();
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("sda", SDA)]);
    assert_eq!(bench.errors(SDA), 0);
}

#[test]
fn a_disk_that_has_no_number_yet_is_not_shown_twice() {
    let mut bench = Bench::new(Config::default());
    let found = DeviceId { number: 0, ..SDA };
    bench.tree.add("sda", SDA);
    fake::issue(&mut bench.engine, found, 0);
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("0:0", found), ("sda", SDA)]);
}

#[test]
fn a_disk_that_is_used_before_it_has_a_name_is_shown_once_it_has() {
    let mut bench = Bench::new(Config::default());
    bench.looks = false;
    fake::issue(&mut bench.engine, SDA, 0);
    fake::issue(&mut bench.engine, SDB, 0);
    bench.tree.add("sdb", SDB);
    // Both have been asked for, and the number of the other one is not shown.
    bench.until(&[("sdb", SDB)]);
    bench.tree.add("sda", SDA);
    bench.looks = true;
    bench.until(&[("sda", SDA), ("sdb", SDB)]);
}

#[test]
fn a_disk_without_a_name_is_shown_under_its_number_until_it_has_one() {
    let mut bench = Bench::new(Config::default());
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("8:0", SDA)]);
    bench.tree.add("sda", SDA);
    bench.until(&[("sda", SDA)]);
}

#[test]
fn a_disk_that_is_used_after_it_was_thought_to_have_gone_is_looked_for_again() {
    let mut bench = Bench::with(Config::default(), Duration::ZERO);
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until_gone();
    bench.tree.add("sda", SDA);
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("sda", SDA)]);
}

/// As a loop device that has another file by the time its name is asked for.
#[test]
fn a_disk_whose_number_another_one_has_is_told_by_its_name_and_has_gone() {
    let device = vec![Pattern::new("sd*").unwrap()];
    let mut bench = Bench::new(Config { device, ..Config::default() });
    bench.looks = false;
    bench.tree.add("sda", DeviceId { sequence: 5, ..SDA });
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("sda", SDA)]);
    bench.looks = true;
    bench.until_gone();
}

#[test]
fn a_disk_that_another_one_succeeds_before_it_was_found_has_gone() {
    let mut bench = Bench::new(Config::default());
    fake::issue(&mut bench.engine, SDA, 0);
    bench.until(&[("8:0", SDA)]);
    bench.tree.add("sda", DeviceId { sequence: 5, ..SDA });
    bench.until_gone();
}
