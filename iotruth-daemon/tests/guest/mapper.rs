//! Device mapper, spoken to as dmsetup does: there is no dmsetup in the guest.

use std::{fs::File, mem, os::fd::AsRawFd};

use crate::disk::Disk;

/// `DM_VERSION_MAJOR` of every kernel here; smaller numbers behind it are compatible.
const VERSION: [u32; 3] = [4, 0, 0];

/// `DM_IOCTL`, and the numbers of its commands.
const TYPE: u64 = 0xfd;
const DEV_CREATE: u64 = 3;
const DEV_REMOVE: u64 = 4;
const DEV_SUSPEND: u64 = 6;
const TABLE_LOAD: u64 = 9;

/// Room for a target and its parameters.
const PAYLOAD: usize = 512;

/// `struct dm_ioctl`, and what follows it.
#[repr(C)]
struct Request {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    event: u32,
    padding: u32,
    dev: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
    payload: [u8; PAYLOAD],
}

/// Size of `struct dm_ioctl`.
const HEADER: usize = 312;
const _: () = assert!(mem::size_of::<Request>() == HEADER + PAYLOAD);

/// A mapped device that goes away with this guard.
#[derive(Debug)]
pub(crate) struct Mapped {
    control: File,
    name: &'static str,
    disk: Disk,
}

impl Mapped {
    /// With one target over all of its sectors.
    pub(crate) fn new(name: &'static str, sectors: u64, target: &str, parameters: &str) -> Self {
        let control = File::options().read(true).write(true).open("/dev/mapper/control");
        let control = control.expect("dm-mod is loaded");
        let created = ask(&control, DEV_CREATE, name, &[]);
        let disk = format!("dm-{}", minor(created));
        ask(&control, TABLE_LOAD, name, &table(sectors, target, parameters));
        // Without its flag this resumes, and puts the table in place.
        ask(&control, DEV_SUSPEND, name, &[]);
        Self { control, name, disk: Disk::settled(&disk) }
    }

    /// The disk that it is.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        ask(&self.control, DEV_REMOVE, self.name, &[]);
    }
}

/// The minor number in a `dev_t` as `huge_encode_dev` writes it.
const fn minor(dev: u64) -> u64 {
    dev & 0xff | dev >> 12 & 0xfff00
}

/// One `struct dm_target_spec`, with its parameters behind it.
fn table(sectors: u64, target: &str, parameters: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(0_u64.to_ne_bytes());
    bytes.extend(sectors.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    let mut name = [0; 16];
    name[..target.len()].copy_from_slice(target.as_bytes());
    bytes.extend(name);
    bytes.extend(parameters.as_bytes());
    bytes.push(0);
    bytes
}

/// Gives a command and returns the device number of the answer.
fn ask(control: &File, command: u64, name: &str, payload: &[u8]) -> u64 {
    let size = mem::size_of::<Request>();
    let mut request = Request {
        version: VERSION,
        data_size: size as u32,
        data_start: HEADER as u32,
        target_count: u32::from(!payload.is_empty()),
        open_count: 0,
        flags: 0,
        event: 0,
        padding: 0,
        dev: 0,
        name: [0; 128],
        uuid: [0; 129],
        data: [0; 7],
        payload: [0; PAYLOAD],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    request.payload[..payload.len()].copy_from_slice(payload);
    // `_IOWR(DM_IOCTL, command, struct dm_ioctl)`
    let number = 3 << 30 | (HEADER as u64) << 16 | TYPE << 8 | command;
    // SAFETY: the kernel reads and writes `data_size` bytes there, which is the size of the request.
    let result = unsafe { libc::ioctl(control.as_raw_fd(), number as _, &raw mut request) };
    assert_eq!(result, 0, "command {command} for {name}: {}", std::io::Error::last_os_error());
    request.dev
}
