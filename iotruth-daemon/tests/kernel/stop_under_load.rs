//! SIGTERM, SIGINT and SIGHUP end the daemon cleanly, whatever goes on.

use crate::harness::{
    daemon::Daemon, load::Load, loop_device::LoopDevice, restrict::hangups, run::run, turn::turn,
};

#[test]
fn a_signal_under_load_ends_it_well() {
    let _turn = turn();
    let device = LoopDevice::new(16);
    let _load = Load::start(device.path(), 16 << 20, 4);
    for signal in ["TERM", "INT", "HUP"] {
        let mut daemon = Daemon::start_with(&[], |command| hangups(command, false));
        std::thread::sleep(std::time::Duration::from_millis(500));
        let status = daemon.signal(signal);
        assert_eq!(status.code(), Some(0), "SIG{signal}: {status}\n{}", daemon.messages());
        assert!(!daemon.messages().contains("panicked"), "{}", daemon.messages());
    }
}

#[test]
fn who_is_to_outlive_its_terminal_does_not_end_with_it() {
    let _turn = turn();
    let mut daemon = Daemon::start_with(&[], |command| hangups(command, true));
    run("kill", ["-HUP", &daemon.pid().to_string()]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(daemon.ask("/readyz").expect("it goes on").status, 200);
    assert_eq!(daemon.signal("TERM").code(), Some(0));
}
