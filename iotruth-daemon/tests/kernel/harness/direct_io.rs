//! Reads and writes that go past the page cache, one request each.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// Alignment that satisfies every device here.
const ALIGNMENT: usize = 4096;

/// A device that is open with `O_DIRECT`, and a buffer for it.
///
/// Where udev runs, closing a device after a write makes it read the device: keep this open until
/// all is counted.
#[derive(Debug)]
pub(crate) struct DirectFile {
    file: File,
    // Longer than needed by one alignment, so that an aligned part can be cut out.
    storage: Vec<u8>,
    bytes: usize,
}

impl DirectFile {
    /// Opens for reads and writes of this many bytes each.
    pub(crate) fn open(path: &Path, bytes: usize) -> Self {
        Self::open_with(path, bytes, libc::O_DIRECT)
    }

    /// As [`Self::open`], and each write is durable when it returns.
    pub(crate) fn durable(path: &Path, bytes: usize) -> Self {
        Self::open_with(path, bytes, libc::O_DIRECT | libc::O_DSYNC)
    }

    fn open_with(path: &Path, bytes: usize, flags: i32) -> Self {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(path)
            .unwrap_or_else(|error| panic!("{} cannot be opened: {error}", path.display()));
        Self { file, storage: vec![0x5a; bytes + ALIGNMENT], bytes }
    }

    /// Reads once, at this byte of the device.
    pub(crate) fn read(&mut self, offset: u64) -> io::Result<usize> {
        let aligned = self.aligned();
        let Self { file, storage, .. } = self;
        file.read_at(storage.get_mut(aligned).unwrap_or_default(), offset)
    }

    /// Writes once, at this byte of the device.
    pub(crate) fn write(&mut self, offset: u64) -> io::Result<usize> {
        let aligned = self.aligned();
        self.file.write_at(self.storage.get(aligned).unwrap_or_default(), offset)
    }

    /// Asks for the device's write cache to be made durable: an empty flush.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn aligned(&self) -> Range<usize> {
        let start = self.storage.as_ptr().align_offset(ALIGNMENT);
        start..start + self.bytes
    }
}

/// Random multiples of 8 KiB below a limit: no two 4 KiB requests are neighbours, so nothing merges.
#[derive(Clone, Debug)]
pub(crate) struct Offsets {
    state: u64,
    slots: u64,
}

impl Offsets {
    /// The same seed gives the same offsets.
    pub(crate) fn new(seed: u64, bytes: u64) -> Self {
        Self { state: seed, slots: bytes / 8192 }
    }
}

impl Iterator for Offsets {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // Knuth's MMIX generator; its high bits are random enough to spread requests.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some((self.state >> 33) % self.slots * 8192)
    }
}
