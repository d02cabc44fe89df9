//! Devices that take their time: what waits for them is told while it waits.

use std::{fs, thread};

use crate::{
    harness::{daemon::Daemon, direct_io::DirectFile, turn::turn},
    null_blk::NullBlk,
    strict::{exactly, strict},
};

#[test]
fn what_waits_behind_a_slow_request_is_stuck_in_its_queue() {
    let _turn = turn();
    // Four seconds for each request, one at a time, and five until a request has timed out.
    let slow = [
        ("irqmode", "2"),
        ("completion_nsec", "4000000000"),
        ("submit_queues", "1"),
        ("hw_queue_depth", "1"),
    ];
    let device = NullBlk::new(&slow);
    let name = device.name();
    device.set_scheduler("mq-deadline");
    for (file, value) in [("nr_requests", "16"), ("io_timeout", "5000")] {
        fs::write(format!("/sys/block/{name}/queue/{file}"), value).unwrap();
    }
    let daemon = Daemon::start(&["--stuck-after", "1s"]);
    let readers: Vec<_> = (0..4)
        .map(|place| {
            let mut file = DirectFile::open(&device.path(), 4096);
            thread::spawn(move || file.read(place << 20).expect("it can be read"))
        })
        .collect();
    for reader in readers {
        reader.join().unwrap();
    }
    let scrape = strict(
        &daemon,
        &[
            (name, "stuck_in_device", exactly(4)),
            (name, "stuck_in_queue", exactly(3)),
            // The last one has waited for twelve seconds, the one before it for eight, and from
            // seven on that is more than any timeout would have allowed.
            (name, "hung_in_queue", 1..=2),
        ],
    );
    scrape.expect(name, "read", 4, 4 * 4096);
    let told = daemon.all_mismatches(name);
    assert!(told.iter().all(|entry| entry.outcome() == "ended"), "{told:?}");
}

#[test]
fn a_cache_that_takes_long_to_empty_is_told() {
    let _turn = turn();
    let slow = [
        ("irqmode", "2"),
        ("completion_nsec", "300000000"),
        ("submit_queues", "1"),
        ("hw_queue_depth", "2"),
        ("memory_backed", "1"),
        ("cache_size", "4"),
    ];
    let device = NullBlk::new(&slow);
    let name = device.name();
    let daemon = Daemon::start(&["--slow-flush-after", "200ms"]);
    let mut file = DirectFile::open(&device.path(), 4096);
    let flushes = 3;
    for block in 0..flushes {
        file.write(block * 8192).expect("the device can be written");
        file.flush().expect("the device can be flushed");
    }
    let provoked =
        [(name, "slow_flush", exactly(flushes)), (name, "flush_emulated", exactly(flushes))];
    let scrape = strict(&daemon, &provoked);
    scrape.expect(name, "flush", flushes, 0);
}
