//! A reader that the machine gives no CPU is late, not dead.

use std::process::{Child, Command};

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice,
    patience::wait_for, run::run, settle::Counts, settle::settle, turn::turn,
};

/// The CPU that everybody wants.
const CPU: &str = "0";

/// Processes that leave next to nothing of that CPU to a thread that runs only when it is idle.
const GREEDY: usize = 4;

/// Reads that happen while the reader waits; they all fit into the rings.
const READS: u64 = 100;

#[test]
fn a_reader_without_a_cpu_makes_the_daemon_unready_and_goes_on() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut daemon = Daemon::start(&[]);
    let mut file = DirectFile::open(device.path(), 4096);
    let before = quiet(&daemon);
    let mut expected = Counts {
        reads: before.requests(device.name(), "read") + READS,
        writes: before.requests(device.name(), "write"),
    };

    let greed = Greed::new();
    let reader = daemon.thread("reader/0").expect("it has a reader");
    let reader = reader.file_name().expect("a thread has a number").to_string_lossy();
    run("taskset", ["--cpu-list", "--pid", CPU, &reader]);
    run("chrt", ["--idle", "--pid", "0", &reader]);
    wait_for("the reader to starve", || {
        let answer = daemon.ask("/readyz").map_err(|error| error.to_string())?;
        if answer.status == 503 && answer.body.contains("waits for a CPU") {
            Ok(())
        } else {
            Err(format!("{} {}", answer.status, answer.body))
        }
    });
    for _ in 0..READS {
        file.read(0).expect("our device can be read");
    }
    assert!(daemon.ended().is_none(), "it ended:\n{}", daemon.messages());

    drop(greed);
    wait_for("the daemon to be ready again", || {
        let answer = daemon.ask("/readyz").map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
    // Nothing of what happened meanwhile is missing.
    settle(&daemon, &device, &mut expected);
    assert_eq!(quiet(&daemon).counted_losses(), 0);
    wait_for("that to be logged", || {
        let messages = daemon.messages();
        if messages.contains("goes round again") { Ok(()) } else { Err(messages) }
    });
    assert_eq!(daemon.signal("TERM").code(), Some(0), "{}", daemon.messages());
}

/// Processes that want the CPU all the time; they end with this guard.
#[derive(Debug)]
struct Greed(Vec<Child>);

impl Greed {
    fn new() -> Self {
        let begin = || {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", CPU, "nice", "-n", "-10", "sh", "-c"]);
            command.arg("while :; do :; done").spawn().expect("taskset can be started")
        };
        Self((0..GREEDY).map(|_| begin()).collect())
    }
}

impl Drop for Greed {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
