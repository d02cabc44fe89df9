//! Alive but blind is dead.

use std::process::ExitStatus;

use crate::harness::{
    daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice, patience::wait_for, turn::turn,
};

#[test]
fn a_reader_that_dies_takes_the_daemon_with_it() {
    let _turn = turn();
    blind("reader-panic", "has died");
}

#[test]
fn a_reader_that_stands_still_takes_the_daemon_with_it() {
    let _turn = turn();
    blind("reader-stall", "has stalled");
}

#[test]
fn a_signal_ends_a_daemon_whose_reader_stands_still() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut daemon = Daemon::start(&["--fault", "reader-stall"]);
    let mut file = DirectFile::open(device.path(), 4096);
    file.read(0).expect("our device can be read");
    // The stall is not noticed before seconds have passed.
    wait_for("the reader to stand still", || {
        let before = switches(&daemon);
        std::thread::sleep(std::time::Duration::from_millis(300));
        let after = switches(&daemon);
        if before == after { Ok(()) } else { Err(format!("{before}, {after}")) }
    });
    let status = daemon.signal("TERM");
    let messages = daemon.messages();
    assert!(messages.contains("SIGTERM"), "it ended without the signal:\n{messages}");
    assert_failed(status, &messages);
    assert!(messages.contains("stuck"), "the cause is not told:\n{messages}");
}

/// Runs the daemon with this fault of its reader until it ends: `/readyz` must have told so, in
/// these words, and so must the log.
fn blind(fault: &str, cause: &str) {
    let device = LoopDevice::new(1);
    // The fault comes with the first record, of whichever disk: perhaps before anybody could ask.
    let mut daemon = Daemon::spawn(&["--fault", fault], |_| {});
    let mut file = DirectFile::open(device.path(), 4096);
    let mut answers: Vec<(u16, String)> = Vec::new();
    let status = loop {
        file.read(0).expect("our device can be read");
        if let Ok(answer) = daemon.ask("/readyz") {
            let answer = (answer.status, answer.body);
            if answers.last() != Some(&answer) && !answer.1.contains("has not begun yet") {
                answers.push(answer);
            }
        }
        // It ends by itself after its last words; from then on, longer is a hang.
        if answers.last().is_some_and(|(status, body)| *status == 503 && body.contains(cause)) {
            break daemon.end();
        }
        if let Some(status) = daemon.ended() {
            break status;
        }
    };
    let messages = daemon.messages();
    assert_failed(status, &messages);
    assert!(messages.contains(cause), "the cause is not told:\n{messages}");
    // It answers for a second more, so that the 503 cannot be missed, and never gets ready again.
    let (last, before) = answers.split_last().expect("it answered before it ended");
    assert_eq!(last.0, 503, "{answers:?}");
    assert!(last.1.contains(cause), "/readyz does not tell the cause: {answers:?}");
    assert!(before.len() <= 1 && before.iter().all(|(status, _)| *status == 200), "{answers:?}");
}

/// How often the reader has gone to sleep, by `/proc`.
fn switches(daemon: &Daemon) -> String {
    let thread = daemon.thread("reader/0").expect("it has a reader");
    let status = std::fs::read_to_string(thread.join("status")).expect("the reader runs");
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
    line.expect("the kernel counts them").to_owned()
}

fn assert_failed(status: ExitStatus, messages: &str) {
    assert!(status.code().is_some_and(|code| code != 0), "{status}\n{messages}");
}
