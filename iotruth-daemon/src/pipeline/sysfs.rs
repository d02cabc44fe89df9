//! What sysfs says of a block device.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::engine::device::DeviceId;

/// How the names of disks begin whose drivers make them from the number that the disk has. A card reader takes
/// them from the slot, and nvme takes whatever number is free.
const NAMED_BY_NUMBER: [&str; 9] = ["loop", "sd", "sr", "vd", "xvd", "nbd", "dm-", "zram", "dasd"];

/// Where the kernel shows its disks.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The folder with one folder for each disk.
    pub(super) disks: PathBuf,
    /// The folder with one folder for each number.
    pub(super) numbers: PathBuf,
    /// The statistics of all disks.
    pub(super) statistics: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            disks: "/sys/block".into(),
            numbers: "/sys/dev/block".into(),
            statistics: "/proc/diskstats".into(),
        }
    }
}

impl Places {
    /// The folder of a disk in sysfs; `None` where it has gone.
    ///
    /// Paths of an nvme multipath device are hidden disks: they have no number in sysfs, and only
    /// their sequence number leads to them. A disk that its driver is just finding has no number at all, and
    /// what is sent to it then is nobody's: under its sequence number it would be a second one of the same
    /// name, as soon as it has one.
    pub(super) fn find(&self, id: DeviceId) -> Option<PathBuf> {
        let by_number = self.numbers.join(id.to_string());
        if is(&by_number, id) {
            return fs::canonicalize(by_number).ok();
        }
        if id.number == 0 || id.sequence == 0 {
            return None;
        }
        let disks = fs::read_dir(&self.disks).ok()?.flatten();
        disks.map(|disk| disk.path()).find(|folder| sequence(folder) == Some(id.sequence))
    }

    /// What a disk was called that has gone for certain, since another one has its number by now, or the same
    /// loop device over another file. Where its driver does not make names from numbers, it is known by its
    /// number.
    pub(super) fn name_of_succeeded(&self, id: DeviceId) -> Option<String> {
        let by_number = self.numbers.join(id.to_string());
        if id.sequence == 0 || sequence(&by_number)? <= id.sequence {
            return None;
        }
        let successor = fs::canonicalize(by_number).ok().and_then(|folder| name(&folder));
        let belongs = |name: &String| NAMED_BY_NUMBER.iter().any(|begin| name.starts_with(begin));
        successor.filter(belongs).or_else(|| Some(id.to_string()))
    }

    /// Whether there is a device of device mapper that passes on requests and not bios, as multipath
    /// does: only those have hardware queues.
    pub(super) fn maps_requests(&self) -> bool {
        let Ok(disks) = fs::read_dir(&self.disks) else { return false };
        let has = |folder: &Path, name: &str| folder.join(name).exists();
        disks.flatten().map(|disk| disk.path()).any(|disk| has(&disk, "dm") && has(&disk, "mq"))
    }
}

/// Whether the disk in this folder is still the one that is meant.
pub(super) fn is(folder: &Path, id: DeviceId) -> bool {
    match sequence(folder) {
        Some(sequence) => id.sequence == 0 || sequence == id.sequence,
        // Kernels before 5.15 have no such file.
        None => folder.exists(),
    }
}

/// The name of the disk in this folder, as under `/sys/block`.
pub(super) fn name(folder: &Path) -> Option<String> {
    Some(folder.file_name()?.to_str()?.to_owned())
}

/// How long the driver of the disk in this folder is given for a request, in nanoseconds; `None`
/// where the driver has no timeout handler and so the queue no such file.
pub(super) fn timeout(folder: &Path) -> Option<u64> {
    let milliseconds: u64 = read(folder, "queue/io_timeout")?.trim().parse().ok()?;
    Some(milliseconds.saturating_mul(1_000_000))
}

/// The sequence number of the disk in this folder; `None` before Linux 5.15.
pub(super) fn sequence(folder: &Path) -> Option<u64> {
    read(folder, "diskseq")?.trim().parse().ok()
}

/// How many requests its driver has of the disk in this folder and its partitions, of what is counted.
pub(super) fn with_driver(folder: &Path) -> Option<u64> {
    read(folder, "inflight")?.split_ascii_whitespace().map(|count| count.parse::<u64>().ok()).sum()
}

fn read(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use std::fs;

    use super::{super::fake::Tree, Places, is, name};
    use crate::engine::device::DeviceId;

    #[test]
    fn a_device_that_is_not_there_is_not_found() {
        let places = Places::default();
        assert_eq!(places.find(DeviceId { number: 0xfff0_004d, sequence: 0 }), None);
        assert_eq!(places.find(DeviceId { number: 0xfff0_004d, sequence: u64::MAX }), None);
    }

    #[test]
    fn a_disk_that_another_one_succeeds_has_the_name_that_belongs_to_its_number() {
        let tree = Tree::new();
        let (scsi, nvme) = (8 << 20, 259 << 20);
        tree.add("sda", DeviceId { number: scsi, sequence: 5 });
        tree.add("nvme1n1", DeviceId { number: nvme, sequence: 9 });
        let told =
            |number, sequence| tree.places().name_of_succeeded(DeviceId { number, sequence });
        assert_eq!(told(scsi, 4).as_deref(), Some("sda"));
        assert_eq!(told(nvme, 8).as_deref(), Some("259:0"), "that may have been any disk");
        assert_eq!(
            [told(scsi, 5), told(scsi, 6), told(scsi, 0), told(scsi + 16, 4)],
            [const { None }; 4]
        );
    }

    #[test]
    fn only_a_mapped_disk_with_hardware_queues_maps_requests() {
        let tree = Tree::new();
        let maps = || tree.places().maps_requests();
        assert!(!maps());
        tree.add("sda", DeviceId { number: 8 << 20, sequence: 1 });
        assert!(!maps(), "hardware queues of its own");
        let mapped = tree.places().disks.join("dm-0");
        fs::create_dir_all(mapped.join("dm")).unwrap();
        assert!(!maps(), "it passes on bios");
        fs::create_dir(mapped.join("mq")).unwrap();
        assert!(maps());
    }

    #[test]
    fn every_disk_of_this_machine_is_found_by_its_number_and_by_its_sequence() {
        let places = Places::default();
        for entry in fs::read_dir("/sys/block").unwrap().flatten() {
            let disk = entry.file_name().into_string().unwrap();
            let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap();
            let dev = read("dev");
            let numbers: Vec<u32> = dev.trim().split(':').flat_map(str::parse).collect();
            let [major, minor] = numbers[..] else { panic!("{dev}") };
            let number = major << 20 | minor;
            let by_number = places.find(DeviceId { number, sequence: 0 }).unwrap();
            assert_eq!(name(&by_number).as_deref(), Some(disk.as_str()));
            // As for a hidden disk, whose number leads nowhere.
            let sequence = read("diskseq").trim().parse().unwrap();
            let hidden = DeviceId { number: 0xfff0_004d, sequence };
            let by_sequence = places.find(hidden).unwrap();
            assert_eq!(name(&by_sequence).as_deref(), Some(disk.as_str()));
            assert!(is(&by_sequence, hidden));
            assert!(!is(&by_sequence, DeviceId { number, sequence: sequence + 1_000_000 }));
        }
    }
}
