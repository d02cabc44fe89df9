//! `/metrics` is what Prometheus expects.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, loop_device::LoopDevice, turn::turn,
};

#[test]
fn promtool_has_nothing_to_say() {
    let _turn = turn();
    let device = LoopDevice::new(1);
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::open(device.path(), 4096);
    file.write(0).expect("our device can be written");
    file.flush().expect("our device can be flushed");
    quiet(&daemon);
    let text = daemon.get("/metrics");
    assert!(text.contains(device.name()), "the device is not in it, nothing is tested");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (Debian package prometheus)");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
