//! I/O schedulers switch: each time all requests of a device are others.

use std::time::Duration;

use crate::{clock::Clock, harness::loop_device::LoopDevice, random::Random};

const SCHEDULERS: [&str; 4] = ["none", "mq-deadline", "kyber", "bfq"];

pub(super) fn run(devices: &[&LoopDevice], clock: &Clock, mut random: Random) {
    while !clock.is_over() {
        random.pick(devices).set_scheduler(random.pick(&SCHEDULERS));
        clock.pause(Duration::from_millis(10 + random.below(300)));
    }
}
