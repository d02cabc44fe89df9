//! What sysfs says of a block device.

use std::{fs, path::PathBuf};

use crate::engine::device::DeviceId;

fn path(id: DeviceId) -> PathBuf {
    PathBuf::from(format!("/sys/dev/block/{id}"))
}

fn read(id: DeviceId, file: &str) -> Option<String> {
    fs::read_to_string(path(id).join(file)).ok()
}

/// The name of a disk as under `/sys/block`; `None` where it has gone.
pub(super) fn name(id: DeviceId) -> Option<String> {
    let target = fs::read_link(path(id)).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// Whether the disk with this number is still the same one.
pub(super) fn is_present(id: DeviceId) -> bool {
    match read(id, "diskseq") {
        Some(sequence) => {
            id.sequence == 0 || sequence.trim().parse().is_ok_and(|now: u64| now == id.sequence)
        }
        // Kernels before 5.15 have no such file.
        None => path(id).exists(),
    }
}

/// Whether the kernel itself says that the driver has no request of this disk.
///
/// The kernel counts only where statistics are on (`blk_mq_check_in_driver`, `RQF_IO_STAT`), so
/// without them nothing is known.
pub(super) fn is_idle(id: DeviceId) -> bool {
    read(id, "queue/iostats").is_some_and(|on| on.trim() == "1")
        && read(id, "inflight").is_some_and(|counts| {
            let mut counts = counts.split_whitespace();
            counts.next() == Some("0") && counts.all(|count| count == "0")
        })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use super::{is_present, name};
    use crate::engine::device::DeviceId;

    #[test]
    fn a_device_that_is_not_there_has_no_name() {
        let nothing = DeviceId { number: 0xfff0_004d, sequence: 1 };
        assert_eq!(name(nothing), None);
        assert!(!is_present(nothing));
    }

    #[test]
    fn every_disk_of_this_machine_has_the_name_that_its_number_leads_to() {
        for entry in std::fs::read_dir("/sys/block").unwrap().flatten() {
            let disk = entry.file_name().into_string().unwrap();
            let dev = std::fs::read_to_string(entry.path().join("dev")).unwrap();
            let numbers: Vec<u32> = dev.trim().split(':').flat_map(str::parse).collect();
            let [major, minor] = numbers[..] else { panic!("{dev}") };
            let id = DeviceId { number: major << 20 | minor, sequence: 0 };
            assert_eq!(name(id), Some(disk));
            assert!(is_present(id));
        }
    }
}
