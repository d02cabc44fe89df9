//! A virtio disk with a sector that its host cannot read.

use crate::{
    disk::Disk,
    harness::{
        daemon::Daemon,
        direct_io::{DirectFile, Offsets},
        turn::turn,
    },
    strict::{exactly, strict},
};

/// The sector that QEMU is told to fail.
const BAD: u64 = 4096;

#[test]
fn an_injected_read_error_is_told_and_nothing_else() {
    let _turn = turn();
    let disk = Disk::of_serial("faulty");
    let name = disk.name();
    let daemon = Daemon::start(&[]);
    let mut file = DirectFile::open(&disk.path(), 4096);
    let each = 200;
    // The first two mebibytes end at the bad sector.
    for offset in Offsets::new(1, BAD * 512).take(each as usize) {
        file.read(offset).expect("this part is sound");
        file.write(offset).expect("every part can be written");
    }
    let errors = 5;
    for _ in 0..errors {
        file.write(BAD * 512).expect("every part can be written");
        file.read(BAD * 512).expect_err("this sector cannot be read");
    }
    let scrape = strict(&daemon, &[(name, "io_error", exactly(errors))]);
    scrape.expect(name, "read", each + errors, each * 4096);
    scrape.expect(name, "write", each + errors, (each + errors) * 4096);
    let labels = [("device", name), ("op", "read"), ("error", "io")];
    assert_eq!(scrape.existing("iotruth_request_errors_total", &labels), errors);
    let entries = daemon.mismatches();
    let [entry] = entries.as_slice() else { panic!("the same is told once: {entries:?}") };
    assert_eq!((entry.sector(), entry.bytes(), entry.count()), (Some(BAD), 4096, errors));
}
