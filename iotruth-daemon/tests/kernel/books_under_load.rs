//! The books are of one moment: at no time was more received and refused than tried.

use crate::harness::{
    books::{events, quiet},
    daemon::Daemon,
    load::Load,
    loop_device::LoopDevice,
    patience::wait_for,
    turn::turn,
};

/// How many different answers of each page are held against themselves.
const ANSWERS: usize = 20;

#[test]
fn what_is_received_under_load_was_tried() {
    check(&[], false);
}

#[test]
fn what_is_refused_under_load_was_tried() {
    check(&["--rings", "1", "--ring-budget", "4096"], true);
}

fn check(arguments: &[&str], full: bool) {
    let _turn = turn();
    let device = LoopDevice::new(16);
    let daemon = Daemon::start(arguments);
    let load = Load::start(device.path(), 16 << 20, 4);
    let mut answers = 0;
    let mut before = 0;
    wait_for("the load to be in twenty answers, with refusals where the ring is small", || {
        let scrape = daemon.scrape();
        let [attempts, received, refused] = events(&scrape);
        assert!(
            received + refused <= attempts,
            "/metrics: {received} received, {refused} refused, and only {attempts} tried"
        );
        let status = daemon.status();
        let invented = status.invented_events();
        assert!(invented.is_empty(), "/status: more received than tried: {invented:?}");
        answers += usize::from(received > before);
        before = received;
        let seen = answers >= ANSWERS && (refused > 0) == full;
        if seen { Ok(()) } else { Err(format!("{answers} answers, {refused} refused")) }
    });
    load.stop();
    assert!(events(&quiet(&daemon))[1] > before, "there was no load");
}
