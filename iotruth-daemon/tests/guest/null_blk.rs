//! Devices that do nothing, exactly as told.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::harness::patience::wait_for;

/// Where the driver is configured.
const CONFIG: &str = "/sys/kernel/config/nullb";

/// Number of the next device.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A `null_blk` device that goes away with this guard.
#[derive(Debug)]
pub(crate) struct NullBlk {
    directory: PathBuf,
    name: String,
}

impl NullBlk {
    /// Of 64 MiB, with these further attributes.
    pub(crate) fn new(attributes: &[(&str, &str)]) -> Self {
        let config = format!("iotruth{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = Path::new(CONFIG).join(config);
        fs::create_dir(&directory).unwrap_or_else(|error| {
            panic!("{}: {error}; is null_blk loaded and configfs mounted?", directory.display())
        });
        let mut device = Self { directory, name: String::new() };
        for (attribute, value) in [("size", "64"), ("blocksize", "4096")] {
            device.set(attribute, value);
        }
        for (attribute, value) in attributes {
            device.set(attribute, value);
        }
        device.set("power", "1");
        let index = fs::read_to_string(device.directory.join("index")).expect("it has an index");
        device.name = format!("nullb{}", index.trim());
        // The driver may name the disk after its directory.
        if !Path::new("/sys/block").join(&device.name).exists() {
            device.name = device.directory.file_name().unwrap().to_string_lossy().into_owned();
        }
        let path = device.path();
        wait_for("the device node", || {
            if path.exists() { Ok(()) } else { Err(format!("no {}", path.display())) }
        });
        device
    }

    /// Its name in `/sys/block`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its node.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Switches the I/O scheduler, which must be there.
    pub(crate) fn set_scheduler(&self, scheduler: &str) {
        let path = Path::new("/sys/block").join(&self.name).join("queue/scheduler");
        fs::write(&path, scheduler)
            .unwrap_or_else(|error| panic!("scheduler {scheduler}: {error}; is it loaded?"));
    }

    fn set(&self, attribute: &str, value: &str) {
        let path = self.directory.join(attribute);
        fs::write(&path, value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

impl Drop for NullBlk {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.directory) {
            eprintln!("{} stays: {error}", self.directory.display());
        }
    }
}
