//! The programs' own messages, from the kernel to the daemon's log.

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice,
    patience::wait_for, turn::turn,
};

/// What a program says of its first record on a CPU.
const FIRST: &str = "eBPF: first record of probe ";

/// What it says when its ring refuses a record.
const FULL: &str = "eBPF: ring 0 is full: a record of probe ";

#[test]
fn programs_speak_only_when_told_to() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let mut file = DirectFile::open(device.path(), 4096);

    // A ring of one page, which a burst fills.
    let talkative = Daemon::start(&["--bpf-log", "--rings", "1", "--ring-budget", "4096"]);
    file.read(0).expect("our device can be read");
    wait_for("a message of a program", || {
        let messages = talkative.messages();
        if messages.lines().any(|line| line.contains(FIRST)) { Ok(()) } else { Err(messages) }
    });
    wait_for("a message about a full ring", || {
        for _ in 0..500 {
            file.read(0).expect("our device can be read");
        }
        let messages = talkative.messages();
        if messages.contains(FULL) { Ok(()) } else { Err(messages) }
    });
    drop(talkative);

    let mut silent = Daemon::start(&[]);
    file.read(0).expect("our device can be read");
    assert!(quiet(&silent).requests(device.name(), "read") > 0, "nothing was traced");
    assert_eq!(silent.signal("TERM").code(), Some(0));
    let messages = silent.messages();
    assert!(!messages.contains("eBPF: "), "{messages}");
}
