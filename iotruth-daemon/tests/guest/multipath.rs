//! Request-based device mapper: clones of requests on two paths, one of which fails.

use std::{env, fs, thread, time::Duration};

use crate::{
    harness::{
        daemon::Daemon,
        direct_io::DirectFile,
        load::Load,
        patience::{wait_for, wait_long_for},
        turn::turn,
    },
    kernel,
    mapper::Mapped,
    scsi_debug::{self, HOST_BUSY, ScsiDebug},
    strict::{Provoked, strict},
};

/// A device over both disks; whatever fails on one is sent to the other.
fn multipath(hosts: &ScsiDebug) -> Mapped {
    let [one, two] = [0, 1].map(|host| hosts.disk(host).attribute("dev"));
    let sectors = hosts.disk(0).attribute("size").parse().unwrap();
    // One feature, no hardware handler; one group of paths, used in turn.
    let parameters = format!("1 queue_if_no_path 0 1 1 round-robin 0 2 1 {one} 1 {two} 1");
    Mapped::new("paths", sectors, "multipath", &parameters)
}

#[test]
fn every_request_is_counted_once_above_and_once_below() {
    let _turn = turn();
    let hosts = ScsiDebug::new(2);
    let device = multipath(&hosts);
    let name = device.disk().name();
    let daemon = Daemon::start(&[]);
    let load = Load::start(&device.disk().path(), 64 << 20, 4);
    thread::sleep(Duration::from_secs(1));
    let reads = load.stop();
    let scrape = strict(&daemon, &[]);
    let below = |host: usize| scrape.requests(hosts.disk(host).name(), "read");
    scrape.expect(name, "read", reads, reads * 4096);
    scrape.equal("below", below(0) + below(1), reads);
    assert!(below(0) > 0 && below(1) > 0, "{} and {}", below(0), below(1));
}

/// Both paths are as the kernel's own statistics say. It takes two audits until what differs is said to
/// last.
fn compare_books(daemon: &Daemon, hosts: &ScsiDebug) {
    let names = [0, 1].map(|host| hosts.disk(host).name());
    let audits = || names.map(|name| daemon.status().audit(name).map_or(0, |audit| audit.audits));
    let before = audits();
    wait_long_for("three more audits", || {
        let now = audits();
        let over = now.iter().zip(before).all(|(now, before)| *now >= before + 3);
        if over { Ok(()) } else { Err(format!("{now:?}, {before:?} before")) }
    });
    for name in names {
        let audit = daemon.status().audit(name).expect("it was audited");
        assert!(audit.without_residue(), "{name}: {audit:?}");
        assert_eq!(audit.coverage, Some(1.0), "{name}: {audit:?}");
    }
}

/// What the notes say once all began anew.
const ANEW: &str = "a multipath disk was not there at first";

#[test]
fn one_that_comes_later_gets_second_programs() {
    let _turn = turn();
    let hosts = ScsiDebug::new(2);
    let folder = env::temp_dir().join("tape");
    fs::create_dir_all(&folder).expect("there is room for a folder");
    let tape = folder.join("tape");
    let arguments = ["--record", tape.to_str().expect("the path is UTF-8")];
    let daemon = Daemon::spawn(&arguments, |_| {}).ready();
    assert!(tape.exists());
    // What was recorded goes with its folder, and the next one has no place.
    fs::remove_dir_all(&folder).expect("the folder is ours");
    let device = multipath(&hosts);
    let name = device.disk().name();
    let mut file = DirectFile::open(&device.disk().path(), 4096);
    for _ in 0..100 {
        file.read(0).expect("our device can be read");
    }
    // Elsewhere there are second programs from the start, or nothing is skipped.
    if kernel::guards_recursion() && !kernel::preempts_programs() {
        wait_for("second programs", || {
            // While all begins anew, nobody answers.
            let answer = daemon.ask("/status").map_err(|error| error.to_string())?;
            if answer.body.contains(ANEW) { Ok(()) } else { Err(answer.body) }
        });
        let status = daemon.status();
        let stopped = |note: &&str| note.starts_with("Nothing is recorded any more: cannot write");
        assert_eq!(status.notes().iter().filter(|note| stopped(note)).count(), 1, "{status:?}");
    }
    let daemon = daemon.ready();
    let before = strict(&daemon, &[]).requests(name, "read");
    let load = Load::start(&device.disk().path(), 64 << 20, 4);
    thread::sleep(Duration::from_secs(1));
    let reads = before + load.stop();
    let scrape = strict(&daemon, &[]);
    scrape.expect(name, "read", reads, reads * 4096);
}

#[test]
fn clones_that_a_busy_host_refuses_are_no_errors() {
    let _turn = turn();
    let hosts = ScsiDebug::new(2);
    let device = multipath(&hosts);
    let name = device.disk().name();
    let daemon = Daemon::start(&[]);
    scsi_debug::inject(HOST_BUSY, 5);
    let load = Load::start(&device.disk().path(), 64 << 20, 4);
    thread::sleep(Duration::from_secs(1));
    let reads = load.stop();
    scsi_debug::behave();
    let any = || 0..=u64::MAX;
    let [one, two] = [0, 1].map(|host| hosts.disk(host).name());
    let provoked: [Provoked<'_>; 6] = [
        (one, "requeue_busy_after_start", any()),
        (one, "requeue_busy_before_start", any()),
        (two, "requeue_busy_after_start", any()),
        (two, "requeue_busy_before_start", any()),
        // Device mapper sends the original back when its clone could not be dispatched.
        (name, "requeue_busy_after_start", any()),
        (name, "requeue_busy_before_start", any()),
    ];
    let scrape = strict(&daemon, &provoked);
    scrape.expect(name, "read", reads, reads * 4096);
    let below = scrape.requests(one, "read") + scrape.requests(two, "read");
    scrape.equal("below", below, reads);
    assert!(scrape.existing("iotruth_requeues_total", &[]) > 0, "nothing was sent back");
}

#[test]
fn what_an_offline_path_refuses_goes_another_way() {
    let _turn = turn();
    let hosts = ScsiDebug::new(2);
    let device = multipath(&hosts);
    let name = device.disk().name();
    let [one, two] = [0, 1].map(|host| hosts.disk(host).name());
    let daemon = Daemon::start(&[]);
    let load = Load::start(&device.disk().path(), 64 << 20, 4);
    thread::sleep(Duration::from_millis(500));
    hosts.disk(0).set("device/state", "offline\n");
    thread::sleep(Duration::from_secs(1));
    let reads = load.stop();
    // The path refuses a clone by an answer to device mapper and not by an event. The original then
    // comes back with the error of its clone, or at once where the path was found to be blocked, and
    // is sent to the other path.
    let provoked = [
        (name, "requeue_retry", 1..=16),
        (name, "recovered", 1..=16),
        (name, "requeue_busy_after_start", 0..=16),
    ];
    let scrape = strict(&daemon, &provoked);
    scrape.expect(name, "read", reads, reads * 4096);
    let below = scrape.requests(one, "read") + scrape.requests(two, "read");
    scrape.equal("below", below, reads);
    assert_eq!(scrape.count("iotruth_request_errors_total", &[]), 0, "nobody was told of an error");
    // Nothing tells what became of a clone whose request is not used again.
    if scrape.skipped == 0 {
        compare_books(&daemon, &hosts);
    }
    hosts.disk(0).set("device/state", "running\n");
}
