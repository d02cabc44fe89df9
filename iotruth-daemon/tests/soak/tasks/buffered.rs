//! Through the page cache: any byte, and now and then all is made durable.

use std::{fs::File, os::unix::fs::FileExt};

use crate::{clock::Clock, harness::loop_device::LoopDevice, random::Random, stage::SIZE};

/// The longest read or write.
const LONGEST: usize = 64 << 10;

pub(super) fn run(device: &LoopDevice, clock: &Clock, mut random: Random) {
    let file = File::options().read(true).write(true).open(device.path());
    let file = file.expect("our device can be opened");
    let mut bytes = vec![0x5a; LONGEST];
    while !clock.is_over() {
        let length = 1 + random.below(LONGEST as u64);
        let part = bytes.get_mut(..length as usize).expect("it is not longer than the longest");
        let offset = random.below((u64::from(SIZE) << 20) - length);
        let done = match random.below(100) {
            0..40 => file.read_exact_at(part, offset),
            40..95 => file.write_all_at(part, offset),
            95..98 => file.sync_data(),
            _ => file.sync_all(),
        };
        done.unwrap_or_else(|error| panic!("{length} bytes at {offset} of {device:?}: {error}"));
    }
}
