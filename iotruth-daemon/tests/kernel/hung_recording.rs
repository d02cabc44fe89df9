//! A recording on a file system that does not answer: nobody is kept from seeing why.

use std::fs::File;

use crate::harness::{
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    ext4::Ext4,
    frozen::Frozen,
    loop_device::LoopDevice,
    patience::wait_for,
    run::run,
    tmpfs::Tmpfs,
    turn::turn,
};

fn notes(daemon: &Daemon) -> Vec<String> {
    daemon.status().notes().iter().map(|note| (*note).to_owned()).collect()
}

#[test]
fn a_daemon_starts_though_its_recording_cannot_be_opened() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(80);
    let lower = LoopDevice::over(&tmpfs.file("disk", 64 << 20), &[]);
    let ext4 = Ext4::make(&lower, false);
    let file = ext4.path().join("recording");
    let path = file.to_str().expect("a path of our own is plain");
    // In this order: it cannot end before the thaw.
    let daemon;
    let _frozen = Frozen::new(ext4.path());
    daemon = Daemon::spawn(&["--record", path], |_| {}).ready();
    let notes = notes(&daemon);
    let nothing = "Nothing is recorded: the file system of the recording did not answer.";
    assert!(notes.iter().any(|note| note == nothing), "{notes:?}");
}

#[test]
fn a_recording_that_hangs_says_so_and_is_not_locked_for_ever() {
    let _turn = turn();
    let device = LoopDevice::new(16);
    let tmpfs = Tmpfs::new(80);
    let lower = LoopDevice::over(&tmpfs.file("disk", 64 << 20), &[]);
    let ext4 = Ext4::make(&lower, false);
    let file = ext4.path().join("recording");
    let path = file.to_str().expect("a path of our own is plain");
    let mut daemon = Daemon::spawn(&["--record", path], |_| {}).ready();
    let frozen = Frozen::new(ext4.path());
    let mut reads = DirectFile::open(device.path(), 4096);
    wait_for("the note", || {
        for offset in Offsets::new(7, 16 << 20).take(5_000) {
            reads.read(offset).expect("our device can be read");
        }
        let notes = notes(&daemon);
        let waits = notes.iter().any(|note| {
            note.starts_with("Recording into ") && note.contains("its file system does not answer")
        });
        if waits { Ok(()) } else { Err(format!("{notes:?}")) }
    });
    assert!(File::open(&file).unwrap().try_lock_shared().is_err(), "it is the daemon's");
    run("kill", ["-TERM", &daemon.pid().to_string()]);
    wait_for("the lock to be released", || {
        let file = File::open(&file).map_err(|error| error.to_string())?;
        file.try_lock_shared().map_err(|error| error.to_string())
    });
    drop(frozen);
    wait_for("the daemon to end", || daemon.ended().ok_or_else(|| "it goes on".to_owned()));
}
