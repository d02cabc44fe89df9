//! The daemon under test, as a process of its own.

use std::{
    fs,
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    http::{self, Answer},
    metrics::{MERGED, Scrape},
    mismatches::{self, Entry},
    patience::{PATIENCE, wait_for},
    recording::Tape,
    status::Status,
};

/// What names the binary where it was not built with the tests: in a guest.
const BINARY: &str = "IOTRUTH_BIN";

/// Whether this runs in a guest, where everything takes its time.
pub(super) fn in_guest() -> bool {
    std::env::var_os(BINARY).is_some()
}

/// The binary: the one that was built with the tests, or the one that is named.
fn binary() -> PathBuf {
    std::env::var_os(BINARY)
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_iotruth")), PathBuf::from)
}

/// How records shall travel in all daemons; `None` where the test decides.
pub(crate) fn transport() -> Option<String> {
    std::env::var("TRANSPORT").ok()
}

/// The bare command, without this process's own settings.
pub(crate) fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("IOTRUTH_") {
            command.env_remove(name);
        }
    }
    // Not the configuration of this machine.
    command.env("IOTRUTH_CONFIG", "/dev/null").env_remove("RUST_LOG");
    if let Some(transport) = transport() {
        command.env("IOTRUTH_TRANSPORT", transport);
    }
    command.stdin(Stdio::null());
    command
}

/// A running daemon; killed and reaped with this guard. Its messages are shown when a test fails.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    address: SocketAddr,
    messages: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
    tape: Option<Tape>,
}

impl Daemon {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |_| {})
    }

    /// As [`Self::start`], after the command was changed. It makes a recording, which is judged again
    /// when it has ended.
    pub(crate) fn start_with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let tape = Tape::new();
        let record = tape.arguments();
        let record = record.iter().map(String::as_str);
        let all: Vec<&str> = record.chain(arguments.iter().copied()).collect();
        let mut daemon = Self::spawn(&all, change);
        daemon.tape = Some(tape);
        daemon.ready()
    }

    /// Starts it on a free port and does not wait.
    pub(crate) fn spawn(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let address = free_address();
        let mut command = command();
        command.args(["daemon", "--listen", &address.to_string()]).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        change(&mut command);
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot start: {error}"));
        let messages = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let sink = Arc::clone(&messages);
        let listener = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut chunk) {
                let text = String::from_utf8_lossy(chunk.get(..length).unwrap_or_default());
                sink.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self { child, address, messages, listener: Some(listener), ended: None, tape: None }
    }

    /// Waits until it is ready.
    pub(crate) fn ready(mut self) -> Self {
        wait_for("the daemon to be ready", || {
            self.assert_running();
            match self.ask("/readyz") {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{}: {}", answer.status, answer.body)),
                Err(error) => Err(error.to_string()),
            }
        });
        self
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its thread of this name; `None` while there is none.
    pub(crate) fn thread(&self, name: &str) -> Option<PathBuf> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs");
        let mut threads = threads.map(|thread| thread.expect("threads can be listed").path());
        threads.find(|thread| {
            fs::read_to_string(thread.join("comm")).is_ok_and(|found| found.trim() == name)
        })
    }

    /// What it has written to stderr so far.
    pub(crate) fn messages(&self) -> String {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One GET.
    pub(crate) fn ask(&self, target: &str) -> std::io::Result<Answer> {
        http::request(self.address, "GET", target)
    }

    /// One GET that must succeed.
    pub(crate) fn get(&self, target: &str) -> String {
        let answer = self.ask(target).unwrap_or_else(|error| panic!("GET {target}: {error}"));
        assert_eq!(answer.status, 200, "GET {target}: {}", answer.body);
        answer.body
    }

    /// The figures of this moment.
    pub(crate) fn scrape(&self) -> Scrape {
        Scrape::parse(&self.get("/metrics"))
    }

    /// What is in the list by default. A disk of the machine itself may have its own reasons, which nobody
    /// here knows: what is told of it is printed.
    pub(crate) fn mismatches(&self) -> Vec<Entry> {
        let all = mismatches::parse(&self.get("/mismatches?limit=1000"));
        let (ours, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|entry| in_guest() || entry.device().starts_with("loop"));
        for entry in others {
            println!("of a disk that is not ours: {} on {}", entry.kind(), entry.device());
        }
        ours
    }

    /// All that is told of one device, mere information included, and without merges.
    ///
    /// Of the others nothing but warnings and worse may be there: the machine's own disk sends
    /// requests back now and then, which is no business of a test.
    pub(crate) fn all_mismatches(&self, device: &str) -> Vec<Entry> {
        let all = mismatches::parse(&self.get("/mismatches?severity=all&limit=1000"));
        let ours = |entry: &Entry| entry.device() == device && entry.kind() != MERGED;
        all.into_iter().filter(ours).collect()
    }

    /// How it says it is doing.
    pub(crate) fn status(&self) -> Status {
        Status::parse(&self.get("/status"))
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn signal(&mut self, signal: &str) -> ExitStatus {
        super::run::run("kill", [&format!("-{signal}"), &self.pid().to_string()]);
        self.end()
    }

    /// Does something while no thread of it runs.
    pub(crate) fn while_stopped<T>(&self, act: impl FnOnce() -> T) -> T {
        let signal = |name: &str| super::run::run("kill", [name, &self.pid().to_string()]);
        signal("-STOP");
        let result = act();
        signal("-CONT");
        result
    }

    /// Whether it has ended, and how; never waits.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        self.ended = Some(status);
        // All that it wrote is to be seen now.
        if let Some(listener) = self.listener.take() {
            listener.join().expect("the listener does not panic");
        }
        Some(status)
    }

    /// Waits for the end, which must come by itself.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "the daemon hangs: it was to end and does not");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Prints all that it has in its list, where `IOTRUTH_EXAMPLES` is set: the examples of
    /// docs/mismatches.md come from there.
    fn print_examples(&self) {
        if std::env::var_os("IOTRUTH_EXAMPLES").is_some()
            && let Ok(answer) = self.ask("/mismatches?severity=all&limit=1000&format=text")
        {
            println!("--- examples\n{}---", answer.body);
        }
    }

    /// Judges its recording again, after it was told to end if it has not.
    fn prove_recording(&mut self) {
        let Some(tape) = self.tape.take() else { return };
        let live = self.ended.is_none().then(|| {
            let list = mismatches::parse(&self.get("/mismatches?severity=all&limit=1000"));
            assert!(self.signal("TERM").success(), "the daemon ends badly");
            list
        });
        tape.prove(live.as_deref());
    }

    fn assert_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!("the daemon ended with {status} instead of getting ready");
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.print_examples();
        }
        if !thread::panicking() {
            self.prove_recording();
        }
        if self.ended.is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
        if thread::panicking() {
            eprintln!("--- messages of the daemon\n{}---", self.messages());
        }
    }
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
}

/// Starts the daemon where it must refuse: returns its exit code and what it wrote to stderr.
pub(crate) fn refused(arguments: &[&str], change: impl FnOnce(&mut Command)) -> (i32, String) {
    let mut daemon = Daemon::spawn(arguments, change);
    let begin = Instant::now();
    while daemon.ended().is_none() {
        assert!(begin.elapsed() < PATIENCE, "the daemon goes on where it should refuse");
        thread::sleep(Duration::from_millis(20));
    }
    let status = daemon.end();
    let messages = daemon.messages();
    assert!(!messages.contains("panicked"), "a panic instead of an error:\n{messages}");
    let code = status.code().unwrap_or_else(|| panic!("ended by a signal: {status}\n{messages}"));
    assert_ne!(code, 0, "ended well where it should refuse:\n{messages}");
    (code, messages)
}
