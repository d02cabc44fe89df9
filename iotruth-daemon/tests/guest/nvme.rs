//! An NVM Express disk: two hardware queues, and FUA of its own.

use std::thread;

use crate::{
    cpu::pin,
    disk::{Disk, names},
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        turn::turn,
    },
    strict::{exactly, strict},
};

#[test]
fn both_queues_are_counted_exactly() {
    let _turn = turn();
    let disk = Disk::of_serial("nvme");
    let name = disk.name();
    let queues = std::fs::read_dir(format!("/sys/block/{name}/mq")).unwrap().count();
    assert_eq!(queues, 2, "of {:?}", names());
    let daemon = Daemon::start(&[]);
    let each = 500;
    let work = |cpu| {
        let mut file = DirectFile::open(&disk.path(), 4096);
        move || {
            pin(&[cpu]);
            for offset in Offsets::new(cpu as u64, 64 << 20).take(each as usize) {
                file.read(offset).expect("it can be read");
                file.write(offset).expect("it can be written");
            }
        }
    };
    let threads = [0, 1].map(|cpu| thread::spawn(work(cpu)));
    for thread in threads {
        thread.join().unwrap();
    }
    let scrape = strict(&daemon, &[]);
    for op in ["read", "write"] {
        scrape.expect(name, op, 2 * each, 2 * each * 4096);
        scrape.equal("device", scrape.measured(name, op, "device"), 2 * each);
    }
}

#[test]
fn a_write_that_has_to_be_durable_needs_no_flush_command() {
    let _turn = turn();
    let disk = Disk::of_serial("nvme");
    let name = disk.name();
    assert_eq!(disk.attribute("queue/write_cache"), "write back");
    assert_eq!(disk.attribute("queue/fua"), "1");
    let daemon = Daemon::start(&[]);
    let before = disk.flushes();
    let mut file = DirectFile::durable(&disk.path(), 4096);
    let writes = 50;
    for offset in Offsets::new(1, 64 << 20).take(writes as usize) {
        file.write(offset).expect("it can be written");
    }
    let flushes = disk.flushes() - before;
    let scrape = strict(&daemon, &[(name, "flush_emulated", exactly(writes))]);
    // A durable write to a disk ends with an fsync of it, whatever the disk can do.
    scrape.expect(name, "write", 2 * writes, writes * 4096);
    scrape.expect(name, "flush", flushes, 0);
    assert_eq!(flushes, writes);
    scrape.equal("device", scrape.measured(name, "write", "device"), writes);
}
