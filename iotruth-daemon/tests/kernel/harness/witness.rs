//! Ends of requests that BPF programs may not see, as the kernel's own tracer sees them.
//!
//! On some machines BPF tracing programs do not run where the current task is a thread of PID 1,
//! and no counter of the kernel says so; ftrace runs there all the same. Whatever the daemon had to
//! infer must be among what this saw: an inferred end without a witness has another cause.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{tmpfs::Mount, trace_pipe::TracePipe};

/// The tracepoint that is watched.
const EVENT: &str = "events/block/block_rq_complete/enable";

/// The buffer of each CPU, in KiB: room for some 60,000 lines.
const BUFFER: &str = "4096";

/// How often the buffer is emptied. It has room for many times what happens meanwhile, and most
/// threads that were seen are still there to be asked whose they are.
const PAUSE: Duration = Duration::from_millis(100);

/// At most one request in so many ends unseen. It is about one in 30,000, but a softirq that runs on
/// such a thread ends all that its CPU was handed, so that a sample of some thousand may have several.
const RARITY: u64 = 2_000;

/// Watches the threads of PID 1, from now on until it is dropped.
#[derive(Debug)]
pub(crate) struct Witness {
    seen: Arc<Mutex<Seen>>,
    // Ends the thread that empties the buffer, when it is dropped.
    stop: Option<mpsc::Sender<()>>,
    drainer: Option<JoinHandle<()>>,
    // Unmounted after the trace is gone.
    _tracefs: Mount,
}

impl Witness {
    /// Begins to watch.
    pub(crate) fn new() -> Self {
        let tracefs = Mount::new("tracefs", &["-t", "tracefs"]);
        let seen = Arc::new(Mutex::new(Seen::begin(tracefs.path())));
        let (stop, stopped) = mpsc::channel::<()>();
        let ours = Arc::clone(&seen);
        let drainer = thread::spawn(move || {
            while stopped.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
                lock(&ours).drain();
            }
        });
        Self { seen, stop: Some(stop), drainer: Some(drainer), _tracefs: tracefs }
    }

    /// Asserts that each inferred end of a device can be one that was seen here, and that they are
    /// as rare as they are known to be.
    pub(crate) fn confirm(&self, device: &str, inferred: u64, requests: u64) {
        let seen = self.sighted(device).possible();
        let what = format!("{device}: {inferred} of {requests} inferred, {seen} with a witness");
        println!("{what}");
        assert!(inferred <= seen, "{what}");
        assert!(inferred * RARITY <= requests, "more than 1 in {RARITY}: {what}");
    }

    /// The completions of this device.
    pub(crate) fn sighted(&self, device: &str) -> Ends {
        let number = fs::read_to_string(Path::new("/sys/block").join(device).join("dev"))
            .expect("the device is there");
        let number = number.trim().replace(':', ",");
        self.up_to_now(|ends| ends.get(&number).copied().unwrap_or_default())
    }

    /// The completions of all devices.
    pub(crate) fn all_sighted(&self) -> Ends {
        self.up_to_now(|ends| {
            ends.values().fold(Ends::default(), |sum, ends| Ends {
                certain: sum.certain + ends.certain,
                doubtful: sum.doubtful + ends.doubtful,
            })
        })
    }

    fn up_to_now<T>(&self, count: impl FnOnce(&BTreeMap<String, Ends>) -> T) -> T {
        let mut seen = lock(&self.seen);
        seen.drain();
        assert!(!seen.pipe.has_lost(), "ftrace had no room: a witness that missed some is none");
        count(&seen.ends)
    }
}

/// Completions that were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    /// On a thread of PID 1.
    pub(crate) certain: u64,
    /// On a thread of PID 1, or of a process that it started and that had ended when it was looked at.
    pub(crate) doubtful: u64,
}

impl Ends {
    /// As many as there can have been.
    pub(crate) fn possible(self) -> u64 {
        self.certain + self.doubtful
    }

    /// What was added since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { certain: self.certain - earlier.certain, doubtful: self.doubtful - earlier.doubtful }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(drainer) = self.drainer.take() {
            drop(drainer.join());
        }
        lock(&self.seen).end();
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was seen so far.
#[derive(Debug)]
struct Seen {
    /// A trace of our own, beside what others trace on this machine.
    instance: PathBuf,
    pipe: TracePipe,
    /// By device, as the trace writes its number.
    ends: BTreeMap<String, Ends>,
}

impl Seen {
    fn begin(tracefs: &Path) -> Self {
        let instance = tracefs.join(format!("instances/iotruth-test-{}", process::id()));
        fs::create_dir(&instance).expect("ftrace has instances");
        let pipe = TracePipe::open(&instance);
        let seen = Self { instance, pipe, ends: BTreeMap::new() };
        seen.set("buffer_size_kb", BUFFER);
        // Threads that PID 1 starts from now on are followed as well.
        seen.set("options/event-fork", "1");
        seen.set("set_event_pid", &threads_of_init());
        seen.set(EVENT, "1");
        seen
    }

    /// Takes what is in the buffer.
    fn drain(&mut self) {
        let mut strangers = BTreeSet::new();
        let ends = &mut self.ends;
        self.pipe.read(|line| {
            let Some((thread, device)) = completion(line) else { return };
            let ends = ends.entry(device.to_owned()).or_default();
            match whose(thread) {
                Whose::Init => ends.certain += 1,
                Whose::Gone => ends.doubtful += 1,
                Whose::Stranger => drop(strangers.insert(thread)),
            }
        });
        for stranger in strangers {
            self.look_away(stranger);
        }
    }

    /// What PID 1 forks is followed too, and need not be one of its threads. Such a process is left
    /// out from now on, with all that it forks: a build beside us would fill any buffer.
    fn look_away(&self, thread: u32) {
        // Truncating the list would empty it, and this adds to it.
        let list =
            OpenOptions::new().append(true).open(self.instance.join("set_event_notrace_pid"));
        // It may have ended just now.
        drop(list.and_then(|mut list| list.write_all(thread.to_string().as_bytes())));
    }

    fn set(&self, file: &str, value: &str) {
        let path = self.instance.join(file);
        fs::write(&path, value)
            .unwrap_or_else(|error| panic!("{value} to {}: {error}", path.display()));
    }

    fn end(&mut self) {
        self.pipe.close();
        let stopped = fs::write(self.instance.join(EVENT), "0");
        if let Err(error) = stopped.and_then(|()| fs::remove_dir(&self.instance)) {
            eprintln!("{} stays: {error}", self.instance.display());
        }
    }
}

/// Who a thread belongs to.
#[derive(Clone, Copy, Debug)]
enum Whose {
    /// To PID 1.
    Init,
    /// To somebody else.
    Stranger,
    /// It has ended, so that nobody can tell.
    Gone,
}

fn whose(thread: u32) -> Whose {
    if Path::new(&format!("/proc/1/task/{thread}")).exists() {
        Whose::Init
    } else if Path::new(&format!("/proc/{thread}")).exists() {
        Whose::Stranger
    } else {
        Whose::Gone
    }
}

/// Thread and device of a line such as
/// `tokio-12 [001] d.h1. 83.101: block_rq_complete: 7,0 R () 0 + 8 none,0,0 [0]`.
fn completion(line: &str) -> Option<(u32, &str)> {
    let (head, event) = line.split_once(": block_rq_complete: ")?;
    let (task, _) = head.rsplit_once(" [")?;
    let (_, thread) = task.trim_end().rsplit_once('-')?;
    Some((thread.parse().ok()?, event.split(' ').next()?))
}

fn threads_of_init() -> String {
    let threads = fs::read_dir("/proc/1/task").expect("/proc is mounted");
    let names = threads.map(|thread| thread.expect("threads can be listed").file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
