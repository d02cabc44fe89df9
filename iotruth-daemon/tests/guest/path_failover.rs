//! A disk on two paths, one of which says that the other is to be taken.

use std::{thread, time::Duration};

use crate::{
    harness::{daemon::Daemon, load::Load, turn::turn},
    null_blk::NullBlk,
    nvmet::{Subsystem, set_accessible},
    strict::strict,
};

/// How often the path changes.
const CHANGES: usize = 6;

/// Threads that read; each can have one request on the path that is given up.
const READERS: u64 = 4;

#[test]
fn what_one_path_refuses_is_told_and_goes_another_way() {
    let _turn = turn();
    // Completed at once: an interrupt could come while a program is told of an end on a path, and
    // the kernel would skip the same program for the end below.
    let below = NullBlk::new(&[("irqmode", "0")]);
    let subsystem = Subsystem::over(&below.path());
    let paths = subsystem.paths();
    let [one, two] = paths.as_slice() else { panic!("two paths were to be there: {paths:?}") };
    let daemon = Daemon::start(&[]);
    let load = Load::start(&subsystem.disk().path(), 64 << 20, READERS);
    for change in 0..CHANGES {
        // Never both at once: one of them is to be taken.
        set_accessible(change % 2, false);
        thread::sleep(Duration::from_millis(300));
        set_accessible(change % 2, true);
        thread::sleep(Duration::from_millis(300));
    }
    let reads = load.stop();
    let most = CHANGES as u64 * READERS;
    let provoked = [one, two].map(|path| (path.as_str(), "path_failover", 0..=most));
    let scrape = strict(&daemon, &provoked);
    // Each is counted on the path that it was taken from as well as on the one that it was sent to.
    let sum = |figure: &dyn Fn(&str) -> u64| figure(one) + figure(two);
    let moved = sum(&|path| scrape.requests(path, "read")).saturating_sub(reads);
    assert!(moved > 0 && moved <= most, "{moved} of {reads} went another way");
    scrape.equal("told", scrape.mismatches_by_kind().values().sum(), moved);
    scrape.equal("bytes", sum(&|path| scrape.bytes(path, "read")), reads * 4096);
    scrape.expect(below.name(), "read", reads, reads * 4096);
}
