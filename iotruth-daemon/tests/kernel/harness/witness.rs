//! Ends of requests that BPF programs may not see, as the kernel's own tracer sees them.
//!
//! On some machines BPF tracing programs do not run where the current task is a thread of PID 1,
//! and no counter of the kernel says so; ftrace runs there all the same. Whatever the daemon had to
//! infer must be among what this saw: an inferred end without a witness has another cause.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
};

use super::tmpfs::Mount;

/// The tracepoint that is watched.
const EVENT: &str = "events/block/block_rq_complete/enable";

/// Lines that the trace has room for are many times what any test can fill: this is the buffer of
/// each CPU, in KiB.
const BUFFER: &str = "4096";

/// Watches the threads of PID 1, from now on until it is dropped.
#[derive(Debug)]
pub(crate) struct Witness {
    /// A trace of our own, beside what others trace on this machine.
    instance: PathBuf,
    // Unmounted after the trace is gone.
    _tracefs: Mount,
}

impl Witness {
    /// Begins to watch.
    pub(crate) fn new() -> Self {
        let tracefs = Mount::new("tracefs", &["-t", "tracefs"]);
        let instance = tracefs.path().join(format!("instances/iotruth-test-{}", process::id()));
        fs::create_dir(&instance).expect("ftrace has instances");
        let witness = Self { instance, _tracefs: tracefs };
        witness.set("buffer_size_kb", BUFFER);
        // Threads that PID 1 starts from now on are followed as well.
        witness.set("options/event-fork", "1");
        witness.set("set_event_pid", &threads_of_init());
        witness.set(EVENT, "1");
        witness
    }

    /// How many completions of this device were seen there.
    pub(crate) fn ends(&self, device: &str) -> u64 {
        let number = fs::read_to_string(Path::new("/sys/block").join(device).join("dev"))
            .expect("the device is there");
        let trace = fs::read_to_string(self.instance.join("trace")).expect("a trace can be read");
        let (major, minor) = number.trim().split_once(':').expect("a number has two parts");
        let event = format!(" block_rq_complete: {major},{minor} ");
        trace.lines().filter(|line| line.contains(&event)).count() as u64
    }

    fn set(&self, file: &str, value: &str) {
        let path = self.instance.join(file);
        fs::write(&path, value)
            .unwrap_or_else(|error| panic!("{value} to {}: {error}", path.display()));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let stopped = fs::write(self.instance.join(EVENT), "0");
        if let Err(error) = stopped.and_then(|()| fs::remove_dir(&self.instance)) {
            eprintln!("{} stays: {error}", self.instance.display());
        }
    }
}

fn threads_of_init() -> String {
    let threads = fs::read_dir("/proc/1/task").expect("/proc is mounted");
    let names = threads.map(|thread| thread.expect("threads can be listed").file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
