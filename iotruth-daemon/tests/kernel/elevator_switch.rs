//! The I/O scheduler is switched all the time: every request address changes with it.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    direct_io::DirectFile,
    load::Load,
    loop_device::LoopDevice,
    settle::{Counts, settle},
    turn::turn,
    witness::Witness,
};

/// Errors, one each second.
const ERRORS: u64 = 10;

/// The time between two switches. Each of them waits until nothing is in flight: one after the other,
/// they would let but a few hundred requests a second through.
const RESPITE: Duration = Duration::from_millis(5);

/// Bytes of the device that are sound.
const SOUND: u64 = 16 << 20;

#[test]
fn exactly_the_provoked_errors_are_shown_while_schedulers_switch() {
    let _turn = turn();
    let device = LoopDevice::new(32);
    device.truncate(SOUND);
    let witness = Witness::new();
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::open(device.path(), 4096);
    let before = quiet(&daemon);
    let load = Load::start(device.path(), SOUND, 4);
    let mut schedulers = ["none", "mq-deadline", "kyber", "bfq"].into_iter().cycle();
    let begin = Instant::now();
    for number in 0..ERRORS {
        while begin.elapsed() < Duration::from_secs(number + 1) {
            device.set_scheduler(schedulers.next().unwrap());
            thread::sleep(RESPITE);
        }
        file.read(SOUND + number * 4096).expect_err("this part of the device is gone");
    }
    let reads = load.stop();

    let mut expected = Counts {
        reads: before.requests(device.name(), "read") + reads + ERRORS,
        writes: before.requests(device.name(), "write"),
    };
    settle(&daemon, &device, &mut expected);
    let after = quiet(&daemon);
    let errors = daemon.mismatches();
    assert_eq!(errors.len() as u64, ERRORS, "no more than these: {errors:?}");
    let mut shown: Vec<_> = daemon
        .all_mismatches(device.name())
        .iter()
        .map(|entry| {
            let what = (entry.device().to_owned(), entry.kind().to_owned());
            (entry.sector(), what, entry.bytes(), entry.count())
        })
        .collect();
    shown.sort();
    let what = (device.name().to_owned(), "io_error".to_owned());
    let provoked: Vec<_> = (0..ERRORS)
        .map(|number| (Some((SOUND + number * 4096) / 512), what.clone(), 4096, 1))
        .collect();
    assert_eq!(shown, provoked);
    assert_eq!(after.counted_losses(), 0);
    let inferred = after.unjudged_for(device.name(), "inferred");
    witness.confirm(device.name(), inferred, reads);
    assert_eq!(after.unjudged(device.name(), "read"), inferred);
}
