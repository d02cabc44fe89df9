//! A disk as sysfs has it.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::harness::patience::wait_for;

/// A disk that nobody uses for so long is done with being set up.
const CALM: Duration = Duration::from_millis(300);

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Disk {
    name: String,
}

impl Disk {
    /// The disk of this name, once it has a node and its partitions were looked for.
    pub(crate) fn settled(name: &str) -> Self {
        let disk = Self { name: name.to_owned() };
        wait_for("a disk to be set up", || {
            let before = disk.attribute("stat");
            thread::sleep(CALM);
            let seen = format!("{name}: {}", disk.attribute("stat"));
            let ready = disk.path().exists() && disk.attribute("size") != "0";
            if ready && before == disk.attribute("stat") { Ok(()) } else { Err(seen) }
        });
        disk
    }

    /// The disk that QEMU gave this serial number.
    pub(crate) fn of_serial(serial: &str) -> Self {
        let found = names().into_iter().find(|name| {
            let places = ["serial", "device/serial"].map(|place| attribute(name, place));
            places.into_iter().flatten().any(|number| number == serial)
        });
        Self::settled(&found.unwrap_or_else(|| panic!("no disk {serial} among {:?}", names())))
    }

    /// Its name in `/sys/block`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its node.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// What a file in its folder says.
    pub(crate) fn attribute(&self, file: &str) -> String {
        attribute(&self.name, file).unwrap_or_else(|| panic!("{} has no {file}", self.name))
    }

    /// Writes to a file in its folder.
    pub(crate) fn set(&self, file: &str, value: &str) {
        let path = Path::new("/sys/block").join(&self.name).join(file);
        fs::write(&path, value)
            .unwrap_or_else(|error| panic!("{value} to {}: {error}", path.display()));
    }

    /// Commands of SCSI that it was sent, by the kernel's count.
    pub(crate) fn commands(&self) -> u64 {
        let count = self.attribute("device/iorequest_cnt");
        let digits = count.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16));
        digits.and_then(Result::ok).unwrap_or_else(|| panic!("no count of commands: {count}"))
    }

    /// Flush commands that it has completed, by the kernel's count.
    pub(crate) fn flushes(&self) -> u64 {
        let stat = self.attribute("stat");
        let field = stat.split_whitespace().nth(15);
        field.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no flushes in {stat}"))
    }
}

/// Every disk.
pub(crate) fn names() -> Vec<String> {
    let folder = fs::read_dir("/sys/block").expect("/sys is mounted");
    folder
        .map(|entry| entry.expect("disks can be listed").file_name().into_string().unwrap())
        .collect()
}

fn attribute(name: &str, file: &str) -> Option<String> {
    let path = Path::new("/sys/block").join(name).join(file);
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
