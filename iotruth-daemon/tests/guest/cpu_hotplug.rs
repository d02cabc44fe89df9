//! CPUs go and come back while requests are on their way, or come when nobody has expected them.

use std::{fs, thread, time::Duration};

use crate::{
    cpu::pin,
    harness::{
        daemon::{Daemon, transport},
        direct_io::DirectFile,
        load::Load,
        patience::wait_for,
        turn::turn,
    },
    kernel,
    null_blk::NullBlk,
    strict::strict,
};

const SWITCH: &str = "/sys/devices/system/cpu/cpu1/online";

/// How often the CPU goes.
const TIMES: usize = 8;

/// Brings the CPU back, also when the test fails.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        drop(fs::write(SWITCH, "1"));
    }
}

#[test]
fn no_request_is_lost_with_a_cpu() {
    let _turn = turn();
    for scheduler in ["none", "mq-deadline"] {
        let device = NullBlk::new(&[("irqmode", "2"), ("submit_queues", "2")]);
        device.set_scheduler(scheduler);
        let name = device.name();
        let daemon = Daemon::start(kernel::SECOND_PROGRAMS);
        let load = Load::start(&device.path(), 64 << 20, 4);
        let back = Back;
        for _ in 0..TIMES {
            fs::write(SWITCH, "0").expect("the second CPU can go");
            thread::sleep(Duration::from_millis(100));
            fs::write(SWITCH, "1").expect("and come back");
            thread::sleep(Duration::from_millis(100));
        }
        drop(back);
        let reads = load.stop();
        let scrape = strict(&daemon, &[]);
        assert!(reads > 0, "there was load");
        scrape.expect(name, "read", reads, reads * 4096);
        scrape.equal("device", scrape.measured(name, "read", "device"), reads);
    }
}

/// Room for the rings of one CPU, and not of two.
const FOR_ONE: &[&str] = &["--ring-budget", "3MiB"];

/// What the notes say once all began anew.
const ANEW: &str = "CPU 1 was not online at first and has no rings";

#[test]
fn a_cpu_that_comes_late_gets_rings() {
    let _turn = turn();
    let device = NullBlk::new(&[("irqmode", "2"), ("submit_queues", "2")]);
    let name = device.name();
    let back = Back;
    fs::write(SWITCH, "0").expect("the second CPU can go");
    let arguments = [FOR_ONE, kernel::SECOND_PROGRAMS].concat();
    let daemon = Daemon::spawn(&arguments, |_| {}).ready();
    let per_cpu = transport().as_deref() == Some("per-cpu");
    let anew = || daemon.status().notes().iter().any(|note| note.contains(ANEW));
    assert!(!anew());
    let first = Load::start(&device.path(), 64 << 20, 1);
    thread::sleep(Duration::from_millis(200));
    let reads = first.stop();
    strict(&daemon, &[]).expect(name, "read", reads, reads * 4096);

    drop(back);
    let mut file = DirectFile::open(&device.path(), 4096);
    pin(&[1]);
    for _ in 0..100 {
        file.read(0).expect("our device can be read");
    }
    pin(&[0, 1]);
    if per_cpu {
        // Nothing is read meanwhile: it would be open when the programs are attached again.
        wait_for("rings for the second CPU", || {
            // While all begins anew, nobody answers.
            let answer = daemon.ask("/status").map_err(|error| error.to_string())?;
            if answer.body.contains(ANEW) { Ok(()) } else { Err(answer.body) }
        });
    }
    let daemon = daemon.ready();
    let before = strict(&daemon, &[]).requests(name, "read");
    let load = Load::start(&device.path(), 64 << 20, 4);
    thread::sleep(Duration::from_millis(500));
    let reads = before + load.stop();
    let scrape = strict(&daemon, &[]);
    scrape.expect(name, "read", reads, reads * 4096);
    assert_eq!(daemon.status().transport(), if per_cpu { "per-cpu" } else { "ring-buffers" });
}
