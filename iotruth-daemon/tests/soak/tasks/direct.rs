//! Past the page cache, one request after the other.

use crate::{
    clock::Clock,
    harness::{direct_io::DirectFile, loop_device::LoopDevice},
    random::Random,
    stage::SIZE,
};

/// Bytes of one read or write; the last are more than one request takes.
const LENGTHS: [u64; 4] = [4096, 16384, 131_072, 2 << 20];

pub(super) fn run(device: &LoopDevice, clock: &Clock, mut random: Random) {
    let path = device.path();
    let mut files = LENGTHS.map(|bytes| (bytes, DirectFile::open(path, bytes as usize)));
    let mut durable = DirectFile::durable(path, LENGTHS[0] as usize);
    while !clock.is_over() {
        // Mostly the short ones.
        let place = random.below(4) & random.below(4);
        let (bytes, file) = files.get_mut(place as usize).expect("there are four");
        let offset = random.below(((u64::from(SIZE) << 20) - *bytes) / 4096) * 4096;
        let done = match random.below(100) {
            0..45 => file.read(offset).map(drop),
            45..90 => file.write(offset).map(drop),
            90..96 => durable.write(offset).map(drop),
            _ => file.flush(),
        };
        done.unwrap_or_else(|error| panic!("{bytes} bytes at {offset} of {device:?}: {error}"));
    }
}
