//! Surroundings of a reader that are made for a test: a sysfs in a folder, and records.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use bytemuck::Zeroable as _;
use iotruth_common::{
    layout::Layout,
    probe::{Probe, Program},
    record::{CompleteRecord, RequestRecord, STATE_COMPLETE, SubmitRecord},
};

use super::{clock, sysfs::Places};
use crate::engine::{Engine, EngineConfig, Limits, Starts, device::DeviceId, flavor::Flavor};

const SECOND: u64 = 1_000_000_000;

/// Something like sysfs, that goes with this value.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Without any disk.
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("iotruth-{}-{number}", std::process::id()));
        let tree = Self { root };
        let places = tree.places();
        fs::create_dir_all(&places.disks).unwrap();
        fs::create_dir_all(&places.numbers).unwrap();
        fs::write(&places.statistics, "").unwrap();
        tree
    }

    /// Where all of it is.
    pub(super) fn places(&self) -> Places {
        let under = |name| self.root.join(name);
        Places { disks: under("disks"), numbers: under("numbers"), statistics: under("statistics") }
    }

    /// Makes a disk.
    pub(super) fn add(&self, name: &str, id: DeviceId) {
        let folder = self.places().disks.join(name);
        fs::create_dir_all(folder.join("queue")).unwrap();
        fs::create_dir(folder.join("mq")).unwrap();
        for (file, text) in [
            ("diskseq", id.sequence.to_string()),
            ("queue/iostats", "1".to_owned()),
            ("queue/io_timeout", "7000".to_owned()),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        symlink(&folder, self.places().numbers.join(id.to_string())).unwrap();
    }

    /// From now on a read of this file waits for [`Self::free`].
    pub(super) fn hang(&self, file: &str) {
        let path = self.places().disks.join(file);
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// Lets whoever waits for this file go on, with this text; waits until somebody does.
    pub(super) fn free(&self, file: &str, text: &str) {
        fs::write(self.places().disks.join(file), text).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

/// An engine that has seen nothing.
pub(super) fn engine() -> Engine {
    Engine::new(config())
}

/// What it was told once.
pub(super) fn config() -> EngineConfig {
    EngineConfig {
        flavor: Flavor::linux_6_12(),
        layout: Layout::zeroed(),
        limits: Limits { stuck_after: SECOND, slow_flush_after: SECOND },
        attached: 1,
        starts: Starts::Flagged,
        tick: Some(4_000_000),
        second_programs: false,
        rings: vec![0],
        index: 0,
        engines: 1,
    }
}

/// What a record of a read has that happened `ago` nanoseconds ago.
fn request(id: DeviceId, probe: Probe, ago: u64) -> RequestRecord {
    RequestRecord {
        time: clock::monotonic() - ago,
        request: 0x40 * (1 + u64::from(id.number)),
        queue: 0x1000,
        attempt: 1,
        device: id.number,
        data_len: 4096,
        program: Program::only(probe).to_wire(),
        ..RequestRecord::zeroed()
    }
}

/// A read of a disk is issued; its sequence number is known from now on.
pub(super) fn issue(engine: &mut Engine, id: DeviceId, ago: u64) {
    let request = RequestRecord { cpu: id.number as u16, ..request(id, Probe::Issue, ago) };
    let start_time = request.time;
    let record =
        SubmitRecord { request, start_time, diskseq: id.sequence, ..SubmitRecord::zeroed() };
    engine.record(0, bytemuck::bytes_of(&record));
}

/// A read is refused by a disk of which nothing but the number is told.
pub(super) fn refuse(engine: &mut Engine, id: DeviceId) {
    let request = RequestRecord { state: STATE_COMPLETE, ..request(id, Probe::Complete, 0) };
    let record = CompleteRecord { request, bytes: 4096, status: 10, ..CompleteRecord::zeroed() };
    engine.record(0, bytemuck::bytes_of(&record));
}
