//! Discards, zeroes and holes, of any part of a device.

use std::{process::Command, time::Duration};

use crate::{clock::Clock, harness::loop_device::LoopDevice, random::Random, stage::SIZE};

/// Each of these starts a program, which is work enough for this machine.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest, in blocks of 4 KiB.
const LONGEST: u64 = 1024;

pub(super) fn run(device: &LoopDevice, clock: &Clock, mut random: Random) {
    while !clock.is_over() {
        let blocks = 1 + random.below(LONGEST);
        let offset = random.below((u64::from(SIZE) << 8) - blocks) * 4096;
        let (offset, length) = (offset.to_string(), (blocks * 4096).to_string());
        let (program, how): (_, &[&str]) = random.pick(&[
            // Forced: others use the device, and a look for signatures is no part of this.
            ("blkdiscard", ["--force"].as_slice()),
            ("blkdiscard", ["--force", "--zeroout"].as_slice()),
            ("fallocate", ["--punch-hole"].as_slice()),
        ]);
        let mut command = Command::new(program);
        command.args(how).args(["--offset", &offset, "--length", &length]).arg(device.path());
        // A file in memory cannot do all of it, and says so. Any other error would be shown.
        command.output().expect("util-linux is installed");
        clock.pause(PAUSE);
    }
}
