//! Processes whose parents end before them, so that PID 1 has something to do.
//!
//! Where the kernel does not run eBPF programs on its threads, that is what makes ends go unseen.

use std::{process::Command, time::Duration};

use crate::clock::Clock;

/// Often enough for many of them, and not so often that it is all that the machine does.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn run(clock: &Clock) {
    while !clock.is_over() {
        // The shell does not wait for what it starts, and PID 1 gets it.
        Command::new("sh").args(["-c", "true &"]).status().expect("there is a shell");
        clock.pause(PAUSE);
    }
}
