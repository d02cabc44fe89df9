//! Devices that come and go, under the same number and with other files.

use crate::{
    clock::Clock,
    harness::{
        direct_io::DirectFile,
        load::Load,
        loop_device::{LoopDevice, Slot},
        tmpfs::Tmpfs,
    },
    random::Random,
};

/// MiB of each device.
const SIZE: u32 = 8;

/// More reads and writes of one device than can be done at once.
const MOST: u64 = 2_000;

pub(super) fn run(clock: &Clock, mut random: Random) {
    let number = Slot::free_number();
    while !clock.is_over() {
        let slot = Slot::add(number);
        // The disk stays for some files; only its sequence number changes with them.
        for _ in 0..=random.below(3) {
            let memory = Tmpfs::new(SIZE + 1);
            let file = memory.file("disk", u64::from(SIZE) << 20);
            use_and_detach(LoopDevice::at(&slot.path(), &file), &mut random);
        }
    }
}

/// It is detached while it is in use, and goes at the last close.
fn use_and_detach(device: LoopDevice, random: &mut Random) {
    let mut file = DirectFile::open(device.path(), 4096);
    let busy = Load::start(device.path(), u64::from(SIZE) << 20, 1 + random.below(2));
    for _ in 0..random.below(MOST) {
        let offset = random.below(u64::from(SIZE) << 8) * 4096;
        let done = if random.percent(50) { file.read(offset) } else { file.write(offset) };
        done.expect("our device is sound");
    }
    if random.percent(50) {
        file.flush().expect("our device can be flushed");
    }
    drop(file);
    device.detach_when_unused();
    busy.stop();
    drop(device);
}
