//! CPUs go and come back while requests are on their way.

use std::{fs, thread, time::Duration};

use crate::{
    harness::{daemon::Daemon, load::Load, turn::turn},
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
