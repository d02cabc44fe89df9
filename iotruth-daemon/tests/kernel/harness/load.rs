//! Load that runs beside a scenario.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::direct_io::{DirectFile, Offsets};

/// Threads that read 4 KiB at random, one request at a time each.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Load {
    /// Reads from the first `bytes` of a device until told to stop.
    pub(crate) fn start(device: &Path, bytes: u64, threads: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads)
            .map(|seed| {
                let stop = Arc::clone(&stop);
                let mut file = DirectFile::open(device, 4096);
                thread::spawn(move || {
                    let mut offsets = Offsets::new(seed, bytes);
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let offset = offsets.next().unwrap_or_default();
                        file.read(offset).expect("this part of the device is sound");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        Self { stop, threads }
    }

    /// Ends the load and says how many reads it did.
    pub(crate) fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).map(|thread| thread.join().expect("the load went well")).sum()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The device can be detached only when every thread has closed it.
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}
