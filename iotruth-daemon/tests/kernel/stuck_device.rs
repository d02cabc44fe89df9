//! A device that keeps its requests: they are in flight, then stuck, and then they end.

use std::{
    fs::{self, File},
    io,
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    direct_io::DirectFile,
    ext4::Ext4,
    fio::Fio,
    frozen::Frozen,
    inflight::in_flight,
    loop_device::LoopDevice,
    patience::{wait_for, wait_long_for},
    tmpfs::Tmpfs,
    turn::turn,
};

/// Most of the half minute that a queue gives a request where nobody has set another time.
const ALLOWED: Duration = Duration::from_secs(25);

/// A device over a file of a file system: while that is frozen, it keeps what is written to it.
struct Kept {
    device: LoopDevice,
    ext4: Ext4,
    _lower: LoopDevice,
    _tmpfs: Tmpfs,
}

impl Kept {
    fn new() -> Self {
        let tmpfs = Tmpfs::new(80);
        let lower = LoopDevice::over(&tmpfs.file("disk", 64 << 20), &[]);
        let ext4 = Ext4::make(&lower, false);
        let file = ext4.path().join("disk");
        File::create_new(&file).unwrap().set_len(32 << 20).unwrap();
        ext4.sync();
        let device = LoopDevice::over(&file, &["--direct-io=on", "--partscan"]);
        Self { device, ext4, _lower: lower, _tmpfs: tmpfs }
    }

    fn write(&self, name: &str) -> JoinHandle<io::Result<usize>> {
        write(self.device.path(), name)
    }

    /// Lets nobody write, until the guard is dropped.
    fn freeze(&self) -> Frozen<'_> {
        Frozen::new(self.ext4.path())
    }
}

/// Writes 4 KiB at 1 MiB of a device, in a thread of this name.
fn write(path: &Path, name: &str) -> JoinHandle<io::Result<usize>> {
    let path = path.to_owned();
    let write = move || DirectFile::open(&path, 4096).write(1 << 20);
    thread::Builder::new().name(name.to_owned()).spawn(write).unwrap()
}

#[test]
fn requests_of_a_frozen_device_are_in_flight_then_stuck_then_hung_and_then_late() {
    let _turn = turn();
    let kept = Kept::new();
    let name = kept.device.name();
    let daemon = Daemon::start(&["--stuck-after", "1s"]);
    let before = quiet(&daemon);

    let frozen = kept.freeze();
    let writer = kept.write("frozen_writer");
    let entry = wait_for("the stuck write to be told", || {
        let ours = daemon.all_mismatches(name);
        ours.first().cloned().ok_or_else(|| daemon.get("/inflight?format=text"))
    });
    assert_eq!((entry.kind(), entry.severity()), ("stuck_in_device", "warning"));
    assert_eq!((entry.sector(), entry.bytes()), (Some(2048), 4096));
    assert_eq!(entry.owner().map(|(_, comm)| comm), Some("frozen_writer"));
    assert!(entry.phases()["device"] > 1e6, "more than a second: {entry:?}");
    assert_eq!(entry.outcome(), "open");
    let open = in_flight(&daemon, name);
    let [open] = open.as_slice() else { panic!("one write is in flight: {open:?}") };
    assert_eq!((open.phase.as_str(), open.confirmed), ("device", true));
    assert_eq!((open.sector, open.comm.as_deref()), (Some(2048), Some("frozen_writer")));
    assert!(open.age_seconds > 1.0, "{open:?}");
    let scrape = daemon.scrape();
    assert_eq!(scrape.existing("iotruth_inflight", &[("device", name)]), 1);
    // The driver of loop devices has no timeout handler: nothing but a thaw can end this. What a
    // queue allows by default is half a minute, and the wait below has the patience for the rest.
    thread::sleep(ALLOWED);
    let kinds = || -> Vec<String> {
        daemon.all_mismatches(name).iter().map(|entry| entry.kind().to_owned()).collect()
    };
    wait_for("the write to be told as hung", || {
        let kinds = kinds();
        if kinds == ["hung_in_device", "stuck_in_device"] { Ok(()) } else { Err(kinds.join(", ")) }
    });
    drop(frozen);

    assert_eq!(writer.join().unwrap().expect("the write goes on after the thaw"), 4096);
    wait_for("nothing to be in flight any more", || {
        let open = in_flight(&daemon, name);
        if open.is_empty() { Ok(()) } else { Err(format!("{open:?}")) }
    });
    let after = quiet(&daemon);
    assert_eq!(after.existing("iotruth_inflight", &[("device", name)]), 0);
    assert_eq!(after.requests(name, "write"), before.requests(name, "write") + 1);
    let shown = daemon.mismatches();
    assert!(shown.iter().all(|entry| entry.device() == name), "nothing else: {shown:?}");
    assert_eq!(kinds(), ["late", "hung_in_device", "stuck_in_device"], "{shown:?}");
    assert!(shown.iter().all(|entry| entry.outcome() == "ended"), "{shown:?}");
    assert_eq!(after.counted_losses(), 0);
}

#[test]
fn a_request_that_hangs_since_before_the_daemon_came_is_told_by_the_kernels_own_count() {
    let _turn = turn();
    let kept = Kept::new();
    let name = kept.device.name();
    // The statistics of a disk leave out what its partitions have in flight.
    let part = kept.device.add_partition(2_048, 8_192);
    let frozen = kept.freeze();
    let writers = [kept.device.path(), &part].map(|path| write(path, "older_writer"));
    let counts = Path::new("/sys/block").join(name).join("inflight");
    wait_for("the writes to be with the driver", || {
        let counts = fs::read_to_string(&counts).unwrap();
        if counts.split_whitespace().eq(["0", "2"]) { Ok(()) } else { Err(counts) }
    });
    let daemon = Daemon::start(&["--stuck-after", "1s"]);

    // Two audits have to agree on it.
    let asked = format!("/inflight?format=text&device={name}");
    let count = format!("\n2 more in flight on {name} ");
    wait_long_for("the writes to be told", || {
        // The machine's own disk may have something in flight at the moment.
        let text = daemon.ask(&asked).unwrap().body;
        let nothing = text.starts_with("Nothing that was seen was in flight at ");
        if nothing && text.contains(&count) { Ok(()) } else { Err(text) }
    });
    let not_seen = || daemon.scrape().existing("iotruth_inflight_not_seen", &[("device", name)]);
    assert_eq!(not_seen(), 2);
    // What piles up behind it takes nothing from it.
    let newer = kept.write("newer_writer");
    wait_for("more to be in flight", || {
        let open = in_flight(&daemon, name);
        if open.is_empty() { Err("nothing".to_owned()) } else { Ok(()) }
    });
    let audits = || daemon.status().audit(name).map_or(0, |audit| audit.audits);
    let before = audits();
    wait_long_for("two more audits", || {
        let more = audits() - before;
        if more >= 2 { Ok(()) } else { Err(format!("{more}")) }
    });
    assert_eq!(not_seen(), 2, "{}", daemon.get("/inflight?format=text"));
    drop(frozen);

    for writer in writers.into_iter().chain([newer]) {
        assert_eq!(writer.join().unwrap().expect("the write goes on after the thaw"), 4096);
    }
    wait_for("an audit after the thaw", || match not_seen() {
        0 => Ok(()),
        more => Err(format!("{more} not seen")),
    });
    wait_for("nothing to be in flight", || {
        let text = daemon.get(&asked);
        assert!(!text.contains("kernel's own count"), "{text}");
        if text.starts_with("Nothing was in flight at ") { Ok(()) } else { Err(text) }
    });
    quiet(&daemon);
}

#[test]
fn a_request_that_its_device_keeps_is_told_while_events_are_lost_all_the_time() {
    let _turn = turn();
    let kept = Kept::new();
    let name = kept.device.name();
    let busy = LoopDevice::new(16);
    // A page has room for thirty records, and the load is many times what can be drained in time.
    let daemon = Daemon::start(&["--stuck-after", "10s", "--rings", "1", "--ring-budget", "4096"]);
    let lost = || daemon.scrape().existing("iotruth_events_lost_total", &[("reason", "ring_full")]);
    quiet(&daemon);

    let frozen = kept.freeze();
    let writer = kept.write("frozen_writer");
    wait_for("the write to be in flight", || {
        let open = in_flight(&daemon, name);
        if open.len() == 1 { Ok(()) } else { Err(format!("{open:?}")) }
    });
    let reads = ["--rw=randread", "--bs=4k", "--size=16m", "--iodepth=32", "--rate_iops=20000"];
    let load = Fio::start(busy.path(), &[&reads[..], &["--time_based", "--runtime=60"]].concat());
    wait_for("losses", || if lost() > 0 { Ok(()) } else { Err("none".to_owned()) });
    assert!(daemon.all_mismatches(name).is_empty(), "not before the storm");
    let entry = wait_for("the stuck write to be told", || {
        let ours = daemon.all_mismatches(name);
        ours.first().cloned().ok_or_else(|| daemon.get("/mismatches?format=text"))
    });
    let so_far = lost();
    wait_for("the storm to go on", || {
        if lost() > so_far { Ok(()) } else { Err(format!("{so_far}, and no more")) }
    });
    drop(load);
    drop(frozen);

    assert_eq!((entry.kind(), entry.sector()), ("stuck_in_device", Some(2048)));
    assert_eq!(entry.owner().map(|(_, comm)| comm), Some("frozen_writer"));
    assert!(entry.phases().is_empty(), "what was lost may be of it: {entry:?}");
    assert_eq!(writer.join().unwrap().expect("the write goes on after the thaw"), 4096);
    quiet(&daemon);
    let shown = daemon.mismatches();
    assert!(shown.iter().all(|entry| entry.device() == name), "nothing else: {shown:?}");
}
