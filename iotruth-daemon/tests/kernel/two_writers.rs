//! Where rings of each CPU and program turn out to be wrong, the daemon goes on without them.

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice,
    patience::wait_for, turn::turn,
};

#[test]
fn the_daemon_goes_on_with_bpf_ring_buffers() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let arguments = ["--transport", "per-cpu", "--fault", "two-writers"];
    // The fault comes with the first record, of whichever disk: perhaps before anybody could ask.
    let daemon = Daemon::spawn(&arguments, |_| {});
    let mut file = DirectFile::open(device.path(), 4096);
    // While it begins, and begins anew, nobody answers.
    wait_for("another transport", || {
        file.read(0).expect("our device can be read");
        let answer = daemon.ask("/status").map_err(|error| error.to_string())?;
        let other = answer.body.contains("\"transport\": \"ring-buffers\"");
        if other { Ok(()) } else { Err(answer.body) }
    });
    let mut daemon = daemon.ready();
    let status = daemon.ask("/status?format=text").expect("it serves again");
    assert!(status.body.contains("transport: ring-buffers: two programs"), "{}", status.body);
    let before = quiet(&daemon).requests(device.name(), "read");
    for block in 0..100 {
        file.read(block % 16 * 4096).expect("our device can be read");
    }
    wait_for("the reads", || {
        let reads = daemon.scrape().requests(device.name(), "read") - before;
        if reads == 100 { Ok(()) } else { Err(reads.to_string()) }
    });
    let status = daemon.signal("TERM");
    let messages = daemon.messages();
    assert!(status.success(), "{status}\n{messages}");
    assert!(messages.contains("all begins anew with BPF ring buffers"), "{messages}");
}
