//! A device that goes and comes back under its old number.

use std::{fs, path::PathBuf};

use crate::harness::{
    books::quiet,
    daemon::Daemon,
    direct_io::{DirectFile, Offsets},
    load::Load,
    loop_device::{LoopDevice, Slot},
    patience::wait_for,
    settle::{Counts, settle},
    tmpfs::Tmpfs,
    turn::turn,
};

#[test]
fn series_end_and_begin_with_their_device() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(64);
    let bystander = LoopDevice::new(4);
    let daemon = Daemon::start(&[]);
    let before = quiet(&daemon);
    let load = Load::start(bystander.path(), 4 << 20, 1);

    let number = Slot::free_number();
    for round in 0..4_u64 {
        let slot = Slot::add(number);
        let file: PathBuf = tmpfs.file(&format!("disk{round}"), 16 << 20);
        let device = LoopDevice::at(&slot.path(), &file);
        let name = device.name().to_owned();
        // Half of the device is gone, so that each of its lives has one error of its own.
        fs::File::options().write(true).open(&file).unwrap().set_len(8 << 20).unwrap();
        let mut disk = DirectFile::open(device.path(), 4096);
        let reads = 200 + 50 * round;
        let own = Load::start(device.path(), 8 << 20, 1);
        for offset in Offsets::new(round, 8 << 20).take(reads as usize) {
            disk.read(offset).expect("this half of the device is sound");
        }
        let sector = (8 << 20) / 512 + round * 8;
        disk.read(sector * 512).expect_err("this half of the device is gone");
        let mut expected = Counts { reads: reads + 1 + own.stop(), writes: 0 };
        // Counted from nothing: what the device of this number did before is not in it.
        let scrape = settle(&daemon, &device, &mut expected);
        assert_eq!(scrape.unjudged_for(&name, "loss"), 0);

        // Detached while it is in use: it goes at the last close.
        let last = Load::start(device.path(), 8 << 20, 1);
        drop(disk);
        device.detach_when_unused();
        last.stop();
        drop(device);
        drop(slot);
        wait_for("the series of the device to end", || {
            if daemon.scrape().knows(&name) { Err(format!("{name} is there")) } else { Ok(()) }
        });
        let shown = daemon.mismatches();
        let [newest, ..] = shown.as_slice() else { panic!("no entry in round {round}") };
        assert_eq!(shown.len() as u64, round + 1, "{shown:?}");
        assert_eq!((newest.device(), newest.kind()), (name.as_str(), "io_error"));
        assert_eq!((newest.sector(), newest.count()), (Some(sector), 1));
    }

    let name = bystander.name();
    let mut expected = Counts {
        reads: before.requests(name, "read") + load.stop(),
        writes: before.requests(name, "write"),
    };
    let after = settle(&daemon, &bystander, &mut expected);
    assert_eq!(after.mismatches(name), 0);
    assert_eq!(quiet(&daemon).counted_losses(), 0);
}

#[test]
fn another_file_under_the_same_number_is_another_device() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(64);
    let slot = Slot::add(Slot::free_number());
    let daemon = Daemon::start(&[]);
    for round in 0..3_u64 {
        let file = tmpfs.file(&format!("disk{round}"), 8 << 20);
        // The disk stays, and only its sequence number tells that it is another one now.
        let device = LoopDevice::at(&slot.path(), &file);
        let mut disk = DirectFile::open(device.path(), 4096);
        // More than the one before: never the sum of both.
        let reads = 200 + 50 * round;
        for offset in Offsets::new(round, 8 << 20).take(reads as usize) {
            disk.read(offset).expect("our device can be read");
        }
        settle(&daemon, &device, &mut Counts { reads, writes: 0 });
    }
}

#[test]
fn a_device_that_is_another_one_before_its_name_is_asked_for_has_its_name() {
    let _turn = turn();
    let tmpfs = Tmpfs::new(16);
    let files = ["first", "second"].map(|name| tmpfs.file(name, 2 << 20));
    let slot = Slot::add(Slot::free_number());
    // A number is none of these names.
    let daemon = Daemon::start(&["--device", "loop*"]);
    let second = daemon.while_stopped(|| {
        let first = LoopDevice::at(&slot.path(), &files[0]);
        first.truncate(1 << 20);
        let mut disk = DirectFile::open(first.path(), 4096);
        disk.read(1 << 20).expect_err("this half of the device is gone");
        drop((disk, first));
        LoopDevice::at(&slot.path(), &files[1])
    });

    let name = second.name();
    wait_for("the error to be told under the name of the device", || {
        let shown = daemon.mismatches();
        match shown.as_slice() {
            [entry] if (entry.device(), entry.kind()) == (name, "io_error") => Ok(()),
            _ => Err(format!("{shown:?}")),
        }
    });
    wait_for("the series of the first device to end", || {
        if daemon.scrape().knows(name) { Err(format!("{name} is there")) } else { Ok(()) }
    });
    DirectFile::open(second.path(), 4096).read(0).expect("our device can be read");
    settle(&daemon, &second, &mut Counts { reads: 1, writes: 0 });
}
