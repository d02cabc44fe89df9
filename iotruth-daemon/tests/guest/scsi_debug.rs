//! SCSI hosts that misbehave when told.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    disk::{self, Disk},
    harness::patience::wait_for,
};

/// Where the driver is told what to do.
const DRIVER: &str = "/sys/bus/pseudo/drivers/scsi_debug";

/// `SDEBUG_OPT_MEDIUM_ERR`: sectors 0x1234 to 0x123d cannot be read.
pub(crate) const MEDIUM_ERROR: u32 = 2;
/// `SDEBUG_OPT_TIMEOUT`: a command gets no answer.
pub(crate) const NO_ANSWER: u32 = 4;
/// `SDEBUG_OPT_SHORT_TRANSFER`: a command transfers only a part.
pub(crate) const SHORT_TRANSFER: u32 = 0x100;
/// `SDEBUG_OPT_HOST_BUSY`: a command is refused.
pub(crate) const HOST_BUSY: u32 = 0x8000;

/// Hosts with one disk each, all with the same content; they go away with this guard.
#[derive(Debug)]
pub(crate) struct ScsiDebug {
    disks: Vec<Disk>,
    hosts: usize,
}

impl ScsiDebug {
    /// Adds so many hosts.
    pub(crate) fn new(hosts: usize) -> Self {
        let mut driver = Self { disks: Vec::new(), hosts };
        set("add_host", &hosts.to_string());
        let names = wait_for("the disks of scsi_debug", || {
            let names = ours();
            if names.len() == hosts { Ok(names) } else { Err(format!("{names:?}")) }
        });
        driver.disks = names.iter().map(|name| Disk::settled(name)).collect();
        driver.disks.sort();
        driver
    }

    /// Where a host is asked for its disks: of the host of this disk, for when the disk is deleted.
    pub(crate) fn host_of(disk: &Disk) -> PathBuf {
        let device = Path::new("/sys/block").join(disk.name()).join("device");
        let folder = fs::canonicalize(device).expect("the disk is there");
        let is_host = |part: &&Path| {
            part.file_name().is_some_and(|name| name.to_string_lossy().starts_with("host"))
        };
        let host = folder.ancestors().find(is_host).expect("a disk of SCSI has a host");
        host.join("scsi_host").join(host.file_name().expect("it was found by it")).join("scan")
    }

    /// Asks a host whose only disk was deleted for it; it is another disk from now on.
    pub(crate) fn scan(host: &Path) -> Disk {
        fs::write(host, "- - -").expect("a host can be scanned");
        let name = wait_for("the disk to be back", || match ours().as_slice() {
            [name] => Ok(name.clone()),
            names => Err(format!("{names:?}")),
        });
        Disk::settled(&name)
    }

    /// The disk of a host.
    pub(crate) fn disk(&self, host: usize) -> &Disk {
        self.disks.get(host).expect("each host has a disk")
    }
}

/// What shall go wrong with every so many commands; with all from that one on, if `every` is
/// negative.
pub(crate) fn inject(what: u32, every: i32) {
    set("opts", &format!("{what:#x}"));
    set("every_nth", &every.to_string());
}

/// Nothing goes wrong any more.
pub(crate) fn behave() {
    inject(0, 0);
}

/// Every answer takes so many nanoseconds; 0 is at once. Waits for the answers that are on their way.
pub(crate) fn answer_after(nanoseconds: u64) {
    let (file, value) = match nanoseconds {
        0 => ("delay", 0),
        more => ("ndelay", more),
    };
    wait_for("the hosts to be told how long to take", || {
        write(file, &value.to_string()).map_err(|error| format!("{file}: {error}"))
    });
}

impl Drop for ScsiDebug {
    fn drop(&mut self) {
        behave();
        answer_after(0);
        set("add_host", &format!("-{}", self.hosts));
        wait_for("the disks of scsi_debug to go", || {
            let names = ours();
            if names.is_empty() { Ok(()) } else { Err(format!("{names:?}")) }
        });
    }
}

/// The disks of this driver; its module is made to have none at first.
fn ours() -> Vec<String> {
    let model = |name: &String| {
        let path = Path::new("/sys/block").join(name).join("device/model");
        fs::read_to_string(path).is_ok_and(|model| model.trim() == "scsi_debug")
    };
    disk::names().into_iter().filter(model).collect()
}

fn set(file: &str, value: &str) {
    write(file, value).unwrap_or_else(|error| panic!("{value} to {file} of {DRIVER}: {error}"));
}

fn write(file: &str, value: &str) -> io::Result<()> {
    fs::write(Path::new(DRIVER).join(file), value)
}
