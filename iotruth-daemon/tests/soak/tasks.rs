//! What is done to devices, each by a thread of its own until the clock has run out.

use std::path::Path;

use crate::{clock::Clock, harness::loop_device::LoopDevice, random::Random};

mod buffered;
mod churn;
mod direct;
mod discards;
mod files;
mod load;
mod orphans;
mod schedulers;

/// Something to do.
pub(crate) type Task<'a> = Box<dyn FnOnce(&Clock, Random) + Send + 'a>;

/// Options of fio.
type Options = &'static [&'static str];

/// What does most requests in a second.
pub(crate) const SPEED: Options =
    &["--rw=randread", "--bs=4k", "--size=64m", "--iodepth=32", "--numjobs=2"];

/// Batches that merge, deep queues, and requests of many lengths.
pub(crate) const DIRECT: [Options; 4] = [
    &[
        "--rw=randwrite",
        "--bs=4k",
        "--size=256k",
        "--iodepth=64",
        "--iodepth_batch_submit=16",
        "--iodepth_batch_complete_min=16",
    ],
    &["--rw=randrw", "--bs=4k", "--size=64m", "--iodepth=16", "--numjobs=2"],
    &["--rw=rw", "--bsrange=4k-1m", "--size=64m", "--iodepth=4"],
    &["--rw=randrw", "--bssplit=4k/60:16k/30:256k/10", "--size=64m", "--iodepth=32"],
];

/// Writes through the page cache that are made durable, some at a time or one by one.
pub(crate) const BUFFERED: [Options; 2] = [
    &["--rw=randwrite", "--bs=4k", "--size=16m", "--direct=0", "--fsync=64"],
    &["--rw=randrw", "--bs=16k", "--size=64m", "--direct=0", "--sync=dsync"],
];

/// Reads, writes and flushes past the page cache.
pub(crate) fn direct(device: &LoopDevice) -> Task<'_> {
    Box::new(|clock, random| direct::run(device, clock, random))
}

/// Reads and writes through the page cache, which the kernel writes back when it likes.
pub(crate) fn buffered(device: &LoopDevice) -> Task<'_> {
    Box::new(|clock, random| buffered::run(device, clock, random))
}

/// Discards, zeroes and holes.
pub(crate) fn discards(device: &LoopDevice) -> Task<'_> {
    Box::new(|clock, random| discards::run(device, clock, random))
}

/// fio with these options.
pub(crate) fn fio(device: &LoopDevice, options: Options) -> Task<'_> {
    Box::new(move |clock, _| load::run(device, options, clock))
}

/// Files that are written, made durable, read and removed.
pub(crate) fn files(directory: &Path) -> Task<'_> {
    Box::new(|clock, random| files::run(directory, clock, random))
}

/// Other I/O schedulers.
pub(crate) fn schedulers(devices: Vec<&LoopDevice>) -> Task<'_> {
    Box::new(move |clock, random| schedulers::run(&devices, clock, random))
}

/// Devices that come and go.
pub(crate) fn churn() -> Task<'static> {
    Box::new(churn::run)
}

/// Processes for PID 1 to look after.
pub(crate) fn orphans() -> Task<'static> {
    Box::new(|clock, _| orphans::run(clock))
}
