//! Alive but blind is dead.

use crate::harness::{daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice, turn::turn};

#[test]
fn a_reader_that_dies_takes_the_daemon_with_it() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut daemon = Daemon::spawn(&["--fault", "reader-panic"], |_| {});
    // From the moment on at which it was ready, it may only become unready.
    let mut file = DirectFile::open(device.path(), 4096);
    let mut answers = Vec::new();
    let status = loop {
        file.read(0).expect("our device can be read");
        if let Ok(answer) = daemon.ask("/readyz")
            && answers.last() != Some(&answer.status)
        {
            answers.push(answer.status);
        }
        if let Some(status) = daemon.ended() {
            break status;
        }
    };
    assert!(status.code().is_some_and(|code| code != 0), "{status}, /readyz: {answers:?}");
    let messages = daemon.messages();
    assert!(messages.contains("reader"), "the cause is not told:\n{messages}");
    // 503 until it is ready, 200 while its reader lives, and 503 again until it is gone.
    assert!(matches!(answers[..], [503] | [200, 503] | [503, 200, 503]), "{answers:?}");
}
