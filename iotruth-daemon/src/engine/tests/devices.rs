//! Which device a request belongs to, where devices come and go.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use super::{IOERR, READ, kinds, snapshot};
use crate::engine::{
    device::DeviceId,
    kind::Kind,
    operation::Operation,
    snapshot::Snapshot,
    synthetic::{DISK, Kernel},
};

#[test]
fn what_a_gone_disk_refuses_is_its_own_and_not_the_next_ones() {
    let mut kernel = Kernel::new();
    kernel.ordinary(0x40, READ, 0, false);
    kernel.audit();
    kernel.engine.end_device(DISK);
    let mut refused = kernel.allocate(0x40, READ, 8, 4096);
    kernel.after(10).complete(&mut refused, 4096, IOERR);
    let gone = snapshot(&mut kernel);
    assert!(gone.devices.is_empty(), "{:?}", gone.devices.keys());
    assert_eq!(kinds(&gone), [Kind::DispatchFailure]);
    let told = &gone.mismatches[0];
    assert_eq!((told.device, told.device_name.as_str()), (DISK, "disk"));
    // The next one of this number.
    kernel.disk = DeviceId { sequence: DISK.sequence + 1, ..DISK };
    kernel.ordinary(0x80, READ, 0, false);
    let next = snapshot(&mut kernel);
    let devices: Vec<_> = next.devices.keys().copied().collect();
    assert_eq!(devices, [kernel.disk]);
    let reads = next.devices[&kernel.disk].operations[Operation::Read as usize].as_deref().unwrap();
    assert_eq!((reads.requests, reads.errors.iter().sum::<u64>()), (1, 0));
}

#[test]
fn what_is_noted_of_a_number_is_moved_to_its_disk() {
    let mut kernel = Kernel::new();
    // The first one may have begun before all was seen.
    for status in [0, IOERR] {
        let mut refused = kernel.allocate(0x40, READ, 8, 4096);
        kernel.after(10).complete(&mut refused, 4096, status);
    }
    let number = DeviceId { sequence: 0, ..DISK };
    let device = |kernel: &mut Kernel| {
        let snapshot = snapshot(kernel);
        let devices: Vec<_> = snapshot.devices.keys().copied().collect();
        (devices, snapshot.mismatches.iter().map(|told| told.device).collect::<Vec<_>>())
    };
    assert_eq!(device(&mut kernel), (vec![number], vec![number]));
    kernel.engine.identify_device(number, DISK.sequence);
    assert_eq!(device(&mut kernel), (vec![DISK], vec![DISK]));
}

#[test]
fn a_disk_is_gone_for_all_readers_as_soon_as_it_is_for_one() {
    let mut readers = [Kernel::new(), Kernel::new()];
    for (address, kernel) in (1..).zip(&mut readers) {
        kernel.ordinary(address * 0x40, READ, 0, false);
    }
    let shown = |readers: &mut [Kernel; 2]| {
        let [mut all, other] = readers.each_mut().map(snapshot);
        all.merge(&other);
        let reads =
            all.devices.get(&DISK).map(|disk| disk.operations[Operation::Read as usize].clone());
        reads.map(|reads| reads.unwrap().requests)
    };
    assert_eq!(shown(&mut readers), Some(2));
    for reader in 0..2 {
        readers[reader].engine.end_device(DISK);
        assert_eq!(shown(&mut readers), None);
    }
}

#[test]
fn figures_of_a_number_are_added_to_the_one_disk_that_has_it() {
    let with = |disk: DeviceId, address| {
        let mut kernel = Kernel::new();
        kernel.disk = disk;
        kernel.ordinary(address, READ, 0, false);
        snapshot(&mut kernel)
    };
    let requests = |snapshot: &Snapshot, id| {
        snapshot.devices[&id].operations[Operation::Read as usize].as_deref().unwrap().requests
    };
    let number = DeviceId { sequence: 0, ..DISK };
    let mut all = with(DISK, 0x40);
    all.merge(&with(number, 0x80));
    assert_eq!(all.devices.keys().copied().collect::<Vec<_>>(), [DISK]);
    assert_eq!(requests(&all, DISK), 2);
    // Where two have it, or had it a moment ago, nobody knows which of them is meant.
    let next = DeviceId { sequence: 9, ..DISK };
    all.merge(&with(next, 0x80));
    all.merge(&with(number, 0x80));
    assert_eq!([DISK, next, number].map(|id| requests(&all, id)), [2, 1, 1]);
}
