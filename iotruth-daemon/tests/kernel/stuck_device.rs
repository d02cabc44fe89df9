//! A device that keeps its requests: they are in flight, then stuck, and then they end.

use std::{path::Path, process::Command, thread, time::Duration};

use crate::harness::{
    books::quiet, daemon::Daemon, direct_io::DirectFile, ext4::Ext4, inflight::in_flight,
    loop_device::LoopDevice, patience::wait_for, run::run, tmpfs::Tmpfs, turn::turn,
};

/// Most of the half minute that a queue gives a request where nobody has set another time.
const ALLOWED: Duration = Duration::from_secs(25);

/// A file system that lets nobody write; thawed with this guard.
struct Frozen<'a> {
    path: &'a Path,
}

impl<'a> Frozen<'a> {
    fn new(path: &'a Path) -> Self {
        run("fsfreeze", [Path::new("--freeze"), path]);
        Self { path }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let done = Command::new("fsfreeze").arg("--unfreeze").arg(self.path).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{} stays frozen", self.path.display());
        }
    }
}

#[test]
fn requests_of_a_frozen_device_are_in_flight_then_stuck_then_hung_and_then_late() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(80);
    let lower = LoopDevice::over(&tmpfs.file("disk", 64 << 20), &[]);
    let ext4 = Ext4::make(&lower, false);
    let file = ext4.path().join("disk");
    std::fs::File::create_new(&file).unwrap().set_len(32 << 20).unwrap();
    ext4.sync();
    let device = LoopDevice::over(&file, &["--direct-io=on"]);
    let name = device.name();
    let daemon = Daemon::start(&["--stuck-after", "1s"]);
    let before = quiet(&daemon);

    let frozen = Frozen::new(ext4.path());
    let path = device.path().to_owned();
    let writer = thread::Builder::new().name("frozen_writer".to_owned());
    let writer = writer.spawn(move || DirectFile::open(&path, 4096).write(1 << 20)).unwrap();
    let entry = wait_for("the stuck write to be told", || {
        let ours = daemon.all_mismatches(name);
        ours.first().cloned().ok_or_else(|| daemon.get("/inflight?format=text"))
    });
    assert_eq!((entry.kind(), entry.severity()), ("stuck_in_device", "warning"));
    assert_eq!((entry.sector(), entry.bytes()), (Some(2048), 4096));
    assert_eq!(entry.owner().map(|(_, comm)| comm), Some("frozen_writer"));
    assert!(entry.phases()["device"] > 1e6, "more than a second: {entry:?}");
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
    assert_eq!(after.counted_losses(), 0);
}
