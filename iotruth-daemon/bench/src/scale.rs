//! How the cost of an event grows with the host, and how many readers a large host needs.

use std::{
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use crate::{
    load::{LARGE, Load, PLAIN},
    sample::{middle_and_least, sample, sound_host},
};

/// Times that each figure is measured; the median counts.
const SAMPLES: u32 = 15;

/// Every host that is measured: what grows, and how far it has grown.
fn hosts() -> impl Iterator<Item = (&'static str, u64, Load)> {
    let open =
        [1_000, 10_000, 100_000, 1_000_000].map(|open| ("open", open, Load { open, ..PLAIN }));
    // Sixteen rings are all that there are; beyond that hardware queues share them.
    let queues = [1, 4, 16, 64]
        .map(|queues| ("queues", queues, Load { queues, rings: queues.min(16), ..PLAIN }));
    let devices = [1, 16, 64, 256].map(|devices| ("devices", devices, Load { devices, ..PLAIN }));
    open.into_iter().chain(queues).chain(devices)
}

/// Prints a line for each host: what has grown, how far, the median and the least time of an event in
/// nanoseconds. Then one for each reader of a host with 64 queues, which all run at once.
pub fn show(time: Duration) {
    for (what, size, load) in hosts() {
        let mut host = sound_host(&load);
        let (middle, least) = middle_and_least(&mut host, SAMPLES as usize, time / SAMPLES);
        println!("{what}\t{size}\t{middle}\t{least}");
    }
    for (number, nanoseconds) in readers(time).into_iter().enumerate() {
        println!("reader\t{number}\t{nanoseconds}\t{nanoseconds}");
    }
}

/// Readers of a host with 64 CPUs, as the daemon plans them: one for 16 CPUs.
const READERS: u64 = 4;

/// Nanoseconds for each event in each reader of a host with 64 hardware queues, 256 devices and
/// 100,000 open requests. Each has an engine and a quarter of everything, as in the daemon, and
/// nothing is shared between them but the caches and the memory of this machine.
fn readers(time: Duration) -> Vec<f64> {
    let share =
        Load { open: LARGE.open / READERS, rings: 16 / READERS, queues: 64 / READERS, ..LARGE };
    let together = Arc::new(Barrier::new(READERS as usize));
    let threads: Vec<_> = (0..READERS)
        .map(|_| {
            let together = Arc::clone(&together);
            thread::spawn(move || {
                let mut host = sound_host(&share);
                together.wait();
                sample(&mut host, time)
            })
        })
        .collect();
    threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
}
