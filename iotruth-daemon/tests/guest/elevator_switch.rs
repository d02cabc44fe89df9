//! The I/O scheduler is switched all the time: every request address changes with it.

use std::time::{Duration, Instant};

use crate::{
    harness::{daemon::Daemon, load::Load, turn::turn},
    null_blk::NullBlk,
    strict::strict,
};

/// How long.
const TIME: Duration = Duration::from_secs(3);

#[test]
fn every_read_is_judged_while_schedulers_switch() {
    let _turn = turn();
    let device = NullBlk::new(&[("irqmode", "2"), ("submit_queues", "2")]);
    let name = device.name();
    let daemon = Daemon::start(&[]);
    let load = Load::start(&device.path(), 64 << 20, 4);
    let begin = Instant::now();
    let mut switches = 0;
    for scheduler in ["none", "mq-deadline", "kyber", "bfq"].into_iter().cycle() {
        device.set_scheduler(scheduler);
        switches += 1;
        if begin.elapsed() > TIME {
            break;
        }
    }
    let reads = load.stop();
    let scrape = strict(&daemon, &[]);
    assert!(switches > 4 && reads > 0, "{switches} switches, {reads} reads");
    scrape.expect(name, "read", reads, reads * 4096);
}
