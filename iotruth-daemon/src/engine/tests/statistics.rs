//! What we count is what the kernel's statistics count.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use iotruth_common::probe::Probe;

use super::{READ, WRITE, paths::PATHS, script::Player, snapshot};
use crate::engine::{
    Starts,
    account::{Column, Columns, Ours},
    device::DeviceId,
    flavor::Flavor,
    operation::Operation,
    snapshot::Snapshot,
    synthetic::{DISK, Kernel, Request},
};

fn accounted(kernel: &mut Kernel) -> Columns {
    snapshot(kernel).devices[&DISK].accounted
}

fn requests(snapshot: &Snapshot) -> u64 {
    let device = &snapshot.devices[&DISK];
    device.operations.iter().flatten().map(|figures| figures.requests).sum()
}

/// The columns of these numbers of requests, and no sectors.
fn counts(reads: u64, writes: u64, flushes: u64) -> Columns {
    let mut columns = Columns::default();
    for (column, count) in
        [(Column::Reads, reads), (Column::Writes, writes), (Column::Flushes, flushes)]
    {
        columns.add(column, count);
    }
    columns
}

#[test]
fn every_path_is_counted_as_the_kernel_counts_it() {
    for starts in [Starts::All, Starts::Flagged, Starts::Flushes, Starts::None] {
        let mut kernel = Kernel::with(starts);
        for (number, path) in PATHS.iter().enumerate() {
            // A request of its own for each, so that nothing of one can be taken for another.
            let address = 0x40 * (number as u64 + 1);
            kernel.hardware_queue = number as u16;
            let mut player = Player::new(&kernel, path.ask, path.script, address);
            while player.step(kernel.after(1_000)) {}
            assert_eq!(accounted(&mut kernel), kernel.statistics, "{starts:?}: {}", path.name);
        }
        assert!(kernel.statistics.0.iter().all(|count| *count > 0), "every column is tested");
    }
}

#[test]
fn every_request_is_in_the_statistics_or_known_not_to_be() {
    let mut kernel = Kernel::new();
    for (number, path) in PATHS.iter().filter(|path| !path.script.contains('x')).enumerate() {
        let address = 0x40 * (number as u64 + 1);
        kernel.hardware_queue = number as u16;
        let mut player = Player::new(&kernel, path.ask, path.script, address);
        while player.step(kernel.after(1_000)) {}
    }
    let snapshot = snapshot(&mut kernel);
    let device = &snapshot.devices[&DISK];
    let counted: u64 =
        Column::REQUESTS.iter().map(|(column, _)| device.accounted.get(*column)).sum();
    assert_eq!(requests(&snapshot), counted + device.unaccounted);
    assert!(device.unaccounted > 0, "passthrough commands are tested");
}

#[test]
fn an_empty_flush_is_a_write_without_sectors_beside_the_flush_command() {
    let mut kernel = Kernel::new();
    let mut player = Player::new(&kernel, super::script::Ask::Empty, "s fd fc+z", 64);
    while player.step(kernel.after(1_000)) {}
    assert_eq!(accounted(&mut kernel), counts(0, 1, 1));
}

#[test]
fn sectors_of_a_failed_request_are_counted_though_nothing_was_transferred() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(64, WRITE, 8, 4096);
    kernel.issue(&mut rq);
    kernel.after(1_000).complete(&mut rq, 4096, 10);
    let snapshot = snapshot(&mut kernel);
    let device = &snapshot.devices[&DISK];
    assert_eq!(device.accounted.get(Column::SectorsWritten), 8);
    assert_eq!(super::figures(&snapshot, Operation::Write).bytes, 0);
    assert_eq!(device.accounted, kernel.statistics);
}

#[test]
fn sectors_are_rounded_with_each_completion() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(64, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.after(1_000).complete(&mut rq, 1000, 0);
    kernel.after(1_000).complete(&mut rq, 3096, 0);
    assert_eq!(accounted(&mut kernel).get(Column::SectorsRead), 1 + 6);
    assert_eq!(accounted(&mut kernel), kernel.statistics);
}

#[test]
fn what_has_no_flag_is_not_counted() {
    let mut kernel = Kernel::new();
    let mut rq = Request { rq_flags: 0, ..kernel.allocate(64, READ, 8, 4096) };
    kernel.issue(&mut rq);
    kernel.after(1_000).complete(&mut rq, 4096, 0);
    assert_eq!(accounted(&mut kernel), Columns::default());
    let snapshot = snapshot(&mut kernel);
    assert_eq!((requests(&snapshot), snapshot.devices[&DISK].unaccounted), (1, 1));
}

#[test]
fn a_flush_that_device_mapper_cloned_is_a_read_without_sectors() {
    let mut kernel = Kernel::new();
    let flags = Flavor::linux_6_12().operations.flush.into();
    let mut rq = Request { bio: false, ..kernel.allocate(64, flags, u64::MAX, 0) };
    kernel.issue(&mut rq);
    kernel.after(1_000).complete(&mut rq, 0, 0);
    assert_eq!(accounted(&mut kernel), counts(1, 0, 0));
    assert_eq!(accounted(&mut kernel), kernel.statistics);
}

#[test]
fn an_end_that_is_inferred_is_counted_whole() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(64, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.hide = 1;
    kernel.after(1_000).complete(&mut rq, 4096, 0);
    assert_eq!(accounted(&mut kernel), Columns::default(), "nobody knows it yet");
    kernel.ordinary(64, READ, 80, false);
    assert_eq!(accounted(&mut kernel), kernel.statistics);
}

/// One of two writes that wait on a scheduler has gone unseen: merged into the other one, or sent and done.
fn gone_from_a_queue(merged: bool) -> Kernel {
    let mut kernel = Kernel::new();
    let queued = |kernel: &mut Kernel, address, sector| {
        let mut rq = Request { tag: -1, ..kernel.allocate(address, WRITE, sector, 4096) };
        kernel.after(1_000).start(&mut rq);
        kernel.after(1_000).insert(&mut rq);
        rq
    };
    let mut first = queued(&mut kernel, 64, 8);
    let mut second = queued(&mut kernel, 128, 16);
    first.tag = 3;
    if merged {
        kernel.hide = 1;
        kernel.after(1_000).plain(Probe::Merge, &mut second);
        first.len += second.len;
    } else {
        second.tag = 4;
        kernel.hide = 2;
        kernel.after(1_000).issue(&mut second);
        kernel.after(1_000).complete(&mut second, 4096, 0);
    }
    kernel.after(1_000).issue(&mut first);
    let bytes = first.len;
    kernel.after(1_000).complete(&mut first, bytes, 0);
    kernel.after(1_000).ordinary(128, WRITE, 800, true);
    kernel
}

#[test]
fn one_that_was_merged_unseen_is_not_counted() {
    let mut kernel = gone_from_a_queue(true);
    let device = snapshot(&mut kernel).devices[&DISK].clone();
    assert_eq!(device.accounted, kernel.statistics);
    assert_eq!((device.doubtful.get(Column::Writes), device.unaccounted), (1, 0));
}

#[test]
fn one_that_was_sent_unseen_is_counted_among_what_is_doubtful() {
    let mut kernel = gone_from_a_queue(false);
    let device = snapshot(&mut kernel).devices[&DISK].clone();
    let mut all = device.accounted;
    all.add_all(&device.doubtful);
    assert_eq!(all, kernel.statistics);
    assert_eq!(device.doubtful.get(Column::SectorsWritten), 8);
    kernel.engine.begin_audit();
    let now = kernel.now;
    let audited = kernel.engine.end_audit(now, now, now + 1).unwrap();
    let ours = audited.iter().find(|(id, _)| *id == DISK).unwrap().1;
    assert_eq!((ours.doubtful, ours.possible), (device.doubtful, device.accounted));
}

#[test]
fn one_that_has_no_scheduler_was_not_merged() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(64, WRITE, 8, 4096);
    kernel.insert(&mut rq);
    kernel.hide = 2;
    kernel.after(1_000).issue(&mut rq);
    kernel.after(1_000).complete(&mut rq, 4096, 0);
    kernel.after(1_000).ordinary(64, WRITE, 800, true);
    assert_eq!(accounted(&mut kernel), kernel.statistics);
}

#[test]
fn an_empty_flush_whose_end_was_not_seen_is_counted() {
    let mut kernel = Kernel::new();
    let mut player = Player::new(&kernel, super::script::Ask::Empty, "s fd fc+z", 64);
    // Its start, and the flush command; the end comes with the end of that.
    player.step(&mut kernel);
    player.step(kernel.after(1_000));
    kernel.hide = 2;
    while player.step(kernel.after(1_000)) {}
    assert_eq!(accounted(&mut kernel), Columns::default(), "nobody knows it yet");
    let mut again = Player::new(&kernel, super::script::Ask::Empty, "s fd fc+z", 64);
    while again.step(kernel.after(1_000)) {}
    assert_eq!(accounted(&mut kernel), counts(0, 2, 2));
    assert_eq!(accounted(&mut kernel), kernel.statistics);
}

#[test]
fn a_part_that_is_inferred_is_counted() {
    let mut kernel = Kernel::new();
    let mut rq = kernel.allocate(64, READ, 8, 4096);
    kernel.issue(&mut rq);
    kernel.hide = 1;
    kernel.after(1_000).complete(&mut rq, 1024, 0);
    kernel.after(1_000).plain(Probe::Requeue, &mut rq);
    kernel.after(1_000).issue(&mut rq);
    kernel.after(1_000).complete(&mut rq, 3072, 0);
    assert_eq!(accounted(&mut kernel), kernel.statistics);
}

/// An audit while one request after the other ends, each in a microsecond.
fn audited(end: impl Fn(&mut Kernel)) -> Option<Ours> {
    audited_after(u64::MAX, end)
}

/// The same, where what the driver has was read after this time.
fn audited_after(looked: u64, end: impl Fn(&mut Kernel)) -> Option<Ours> {
    let mut kernel = Kernel::new();
    kernel.ordinary(64, READ, 8, false);
    kernel.engine.begin_audit();
    let begin = kernel.now + 10_000_000;
    end(&mut kernel);
    let audited = kernel.engine.end_audit(looked, begin, begin + 1_000)?;
    let [(id, ours), _] = audited[..] else { panic!("{audited:?}") };
    assert_eq!(id, DISK);
    Some(ours)
}

#[test]
fn an_audit_knows_what_was_counted_when() {
    let ours = audited(|kernel| {
        let begin = kernel.now + 10_000_000;
        let mut unseen = kernel.allocate(128, READ, 160, 4096);
        kernel.issue(&mut unseen);
        let end_at = |kernel: &mut Kernel, at: u64, sector: u64| {
            let mut rq = kernel.allocate(256, READ, sector, 4096);
            kernel.issue(&mut rq);
            kernel.now = at;
            kernel.complete(&mut rq, 4096, 0);
        };
        end_at(kernel, begin - 5_000_000, 800);
        // Just ended: the kernel may not have counted it yet.
        end_at(kernel, begin - 1_000, 801);
        end_at(kernel, begin + 500, 802);
        // After the reading, so that the kernel cannot have counted it.
        end_at(kernel, begin + 2_000, 803);
        // This one shows that another one ended before, nobody knows when.
        kernel.ordinary(128, READ, 900, false);
        let mut open = kernel.allocate(512, READ, 1_000, 8192);
        kernel.issue(&mut open);
    })
    .unwrap();
    assert_eq!(ours.sure.get(Column::Reads), 2);
    assert_eq!(ours.seen.get(Column::Reads), 4);
    assert_eq!(ours.possible.get(Column::Reads), 4 + 1 + 1);
    assert_eq!(ours.sure.get(Column::SectorsRead), 2 * 8);
    assert_eq!(ours.possible.get(Column::SectorsRead), 5 * 8 + 16);
    assert_eq!((ours.open, ours.with_driver), (1, 1));
}

#[test]
fn what_is_sent_after_it_was_looked_what_the_driver_has_is_not_among_that() {
    for insert in [false, true] {
        let time = std::cell::Cell::new(0);
        let issue = |kernel: &mut Kernel| {
            let mut rq = kernel.after(1_000).allocate(128, READ, 160, 4096);
            if insert {
                kernel.insert(&mut rq);
            }
            kernel.after(1_000).issue(&mut rq);
            time.set(kernel.now);
        };
        audited(issue).unwrap();
        let issued = time.get();
        let had = |looked| audited_after(looked, issue).unwrap().with_driver;
        assert_eq!([had(issued - 1_000), had(issued + 1_000)], [0, 1], "{insert}");
    }
}

#[test]
fn an_audit_that_is_too_busy_is_given_up() {
    let many = |kernel: &mut Kernel| {
        let begin = kernel.now + 10_000_000;
        kernel.now = begin;
        for _ in 0..70_000 {
            kernel.ordinary(64, READ, 8, false);
        }
    };
    assert_eq!(audited(many), None);
    let mut kernel = Kernel::new();
    assert_eq!(kernel.engine.end_audit(1, 1, 2), None, "nobody has begun one");
}

#[test]
fn an_audit_allows_for_a_clone_that_may_have_been_dropped() {
    let ours = audited(|kernel| {
        let mut clone = kernel.allocate(128, WRITE, 160, 4096);
        kernel.plain(Probe::Remap, &mut clone);
    })
    .unwrap();
    assert_eq!(ours.sure.get(Column::Writes), 0);
    assert_eq!(ours.possible.get(Column::Writes), 0);
    let mut dropped = Columns::default();
    dropped.add(Column::Writes, 1);
    assert_eq!(ours.dropped, dropped, "the kernel has counted it if it was dropped");
    assert_eq!((ours.open, ours.with_driver), (0, 0));
}

#[test]
fn another_request_tells_that_the_clone_on_its_address_was_dropped() {
    let driver_in = u32::from(Flavor::linux_6_12().operations.driver_in);
    let other = DeviceId { number: DISK.number + 16, sequence: 9 };
    for (flags, disk, later, dropped) in [
        (driver_in, DISK, 1_000, 1),
        (WRITE, DISK, 1_000, 1),
        (READ, other, 1_000, 1),
        (READ, DISK, 1_100_000_000, 1),
        // It may well be the clone.
        (READ, DISK, 1_000, 0),
    ] {
        let mut kernel = Kernel::new();
        kernel.ordinary(64, READ, 8, false);
        let mut clone = kernel.allocate(128, READ, 160, 4096);
        kernel.after(1_000).plain(Probe::Remap, &mut clone);
        kernel.disk = disk;
        let mut rq = kernel.after(later).allocate(128, flags, 800, 4096);
        kernel.after(1_000).issue(&mut rq);
        kernel.after(1_000).complete(&mut rq, 4096, 0);
        let snapshot = snapshot(&mut kernel);
        let reads = snapshot.devices[&DISK].accounted.get(Column::Reads);
        let itself = u64::from(flags == READ && disk == DISK);
        assert_eq!(reads, 1 + dropped + itself, "{flags} on {disk}");
    }
}
